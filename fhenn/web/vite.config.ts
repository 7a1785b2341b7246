import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const MANIFEST = "SHA256SUMS";

/** Writes the hashes of all files of the page, as `sha256sum` does, and says the hash of these. */
function manifest(): Plugin {
  let folder = "";
  return {
    name: "manifest",
    apply: "build",
    configResolved: ({ root, build }) => void (folder = resolve(root, build.outDir)),
    closeBundle: {
      order: "post",
      handler() {
        const files = readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((each) => each.isFile() && each.name !== MANIFEST)
          .map((each) =>
            join(each.parentPath, each.name)
              .slice(folder.length + 1)
              .replaceAll("\\", "/"),
          )
          .sort();
        const lines = files.map((file) => `${sha256(readFileSync(join(folder, file)))}  ${file}\n`).join("");
        writeFileSync(join(folder, MANIFEST), lines);
        const bytes = files.reduce((sum, file) => sum + readFileSync(join(folder, file)).length, 0);
        this.info(`${files.length} files of ${bytes} bytes; SHA-256 of ${MANIFEST}: ${sha256(Buffer.from(lines))}`);
      },
    },
  };
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

// names of classes are kept: errors say them; node-seal asks for Node's "module" in Node alone
const rolldownOptions = { output: { keepNames: true }, external: ["module"] };

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions,
  },
  worker: { format: "es", rolldownOptions },
  plugins: [manifest()],
});
