// `npm test`: installs the packages if need be, sets up the tools that tests need, builds, and runs every test with
// coverage. Arguments are passed on to vitest: npm test -- sidecar/graph
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, root } from "./lib.mjs";
import { provideTools } from "./tools.mjs";

ensureInstalled();
await provideTools();

// vitest's global setup builds.
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", "--coverage", ...process.argv.slice(2)], {
  cwd: root,
  stdio: ["ignore", "inherit", "inherit"],
});
process.exitCode = status ?? 1;
