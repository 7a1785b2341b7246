import { defineConfig } from "vitest/config";

// the page in Chromium, before a service that tests/web/test_page.py starts
export default defineConfig({
  test: {
    include: ["test/page/**/*.page.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
