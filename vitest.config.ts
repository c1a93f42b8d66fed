import { defineConfig } from "vitest/config";

const common = { env: { TF_CPP_MIN_LOG_LEVEL: "2" }, pool: "forks" } as const;

const endToEnd = "test/e2e/*.test.ts";

export default defineConfig({
  test: {
    poolOptions: { forks: { minForks: 1, maxForks: 2 } },
    globalSetup: ["test/global-setup.ts"],
    reporters: ["default", "./test/count-reporter.ts"],
    coverage: {
      provider: "v8",
      include: ["sidecar/**/*.ts"],
      exclude: ["**/*.test.ts"],
      reporter: ["text-summary", "lcov"],
      reportOnFailure: true,
    },
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          include: ["sidecar/**/*.test.ts", "test/**/*.test.ts", "bench/**/*.test.ts"],
          exclude: [endToEnd, "**/node_modules/**"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Each file drives an editor and a browser, which want the machine to themselves: one after the other, when all
        // other tests are done.
        test: {
          ...common,
          name: "e2e",
          include: [endToEnd],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: { poll: { timeout: 60_000, interval: 50 } },
          poolOptions: { forks: { singleFork: true } },
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
