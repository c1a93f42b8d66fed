import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["sidecar/**/*.test.ts", "test/**/*.test.ts", "bench/**/*.test.ts"],
    env: { TF_CPP_MIN_LOG_LEVEL: "2" },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
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
  },
});
