import { build } from "../scripts/build.mjs";
import { provideTools } from "../scripts/tools.mjs";

/** Before any test, however vitest was started: dist/ is up to date, and the tools of test/tools.ts are there. */
export default async function setup(): Promise<void> {
  await build();
  await provideTools();
}
