// What the tests of the extension share: the package, the workspaces, and the ways that every test goes.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { packageExtension } from "../../scripts/package.mjs";
import { startVSCode, until, type EditorWindow, type VSCode, type VSCodeOptions } from "./lib";

/** The extension's id, as webviews and logs have it. */
export const id = "kernelscope.kernelscope";

/** The status bar item's. */
export const status = "kernelscope.kernelscope.status";

/** Small models, each file for a feature. */
export const models = join(import.meta.dirname, "fixtures", "models");

/** The models that come with the extension. */
export const examples = join(import.meta.dirname, "..", "..", "examples");

/** An editor with the packaged extension, and others, for all tests of a file. */
export async function startKernelscope({ extensions = [], env = {} }: Partial<VSCodeOptions> = {}): Promise<VSCode> {
  return startVSCode({ extensions: [await packageExtension(), ...extensions], env, container: "Kernelscope" });
}

/** Opens a model's file and has it evaluated by the CodeLens above it. Of one that is evaluated already nothing changes. */
export async function analyze(window: EditorWindow, file: string): Promise<void> {
  await window.openFile(file);
  await window.editor.clickCodeLens("Analyze", async () =>
    (await window.editor.codeLenses()).some((title) => /^(Jacobian|Evaluating)/.test(title)),
  );
  await lens(window, /^Jacobian .* fits$/);
}

/** Waits for a CodeLens, and gives its title. */
export async function lens(window: EditorWindow, title: RegExp, options: { timeout?: number } = {}): Promise<string> {
  await expect.poll(() => window.editor.codeLenses(), options).toContainEqual(expect.stringMatching(title));
  return (await window.editor.codeLenses()).find((each) => title.test(each))!;
}

/** Adds a model to the workspace whose code is not done before the test says so. Gives the function that says so. */
export function addHeldModel(window: EditorWindow, name: string): () => void {
  const sign = join(window.folder, `${name}.go-on`);
  const text = `import * as tf from "@tensorflow/tfjs";
import { existsSync } from "node:fs";

while (!existsSync(${JSON.stringify(sign)}));

export const model = tf.sequential();
model.add(tf.layers.inputLayer({ inputShape: [4] }));
model.add(tf.layers.dense({ name: "logits", units: 2 }));
`;
  writeFileSync(join(window.folder, name), text);
  return () => writeFileSync(sign, "");
}

/** Answers the editor's own dialog for a file to write. It goes on filling in what it proposes after it has opened. */
export async function saveAs({ quickInput }: EditorWindow, title: RegExp, path: string): Promise<void> {
  await expect.poll(() => quickInput.question()).toMatch(title);
  const input = quickInput.box.locator(".quick-input-box input");
  await expect.poll(() => input.inputValue()).toMatch(/\.\w+$/);
  await until(
    "the dialog to take the path",
    async () => {
      if ((await quickInput.box.count()) === 0) return true;
      if ((await input.inputValue({ timeout: 2000 })) === path) await input.press("Enter", { timeout: 2000 });
      else await quickInput.write(path, { timeout: 2000 });
      return false;
    },
    { interval: 300 },
  );
}
