import { defineConfig } from "vite";

// the client alone, as JavaScript: Node strips no types from what is installed
export default defineConfig({
  build: {
    outDir: "lib",
    target: "es2022",
    minify: false,
    lib: { entry: "src/client/index.ts", formats: ["es"], fileName: "index" },
    rolldownOptions: { external: ["node-seal", /^node-seal\//] },
  },
});
