import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { CancellationTokenSource } from "vscode-languageserver/node";
import type { DeviceInfo } from "../../sidecar/protocol/analysis";
import { Editor, result } from "../../test/server/editor";
import { startSidecar, until, Workspace, type Sidecar } from "../../test/server/sidecar";
import { quietMoment, run } from "./run";

/** What an editor waits for, asked of a sidecar over its protocol. All times are in seconds. */

const FILE = "residual-net.ts";
const NAME = "model";

/** A sidecar, an editor with the residual net open in it, and the net evaluated. */
export class Subject {
  private constructor(
    readonly workspace: Workspace,
    readonly sidecar: Sidecar,
    readonly editor: Editor,
  ) {}

  static async open(): Promise<Subject> {
    const workspace = new Workspace();
    cpSync(`examples/${FILE}`, workspace.path(FILE));
    const sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    const subject = new Subject(workspace, sidecar, editor);
    await editor.open(subject.uri);
    result(await editor.analyze(subject.uri, NAME));
    return subject;
  }

  get uri(): string {
    return this.workspace.uri(FILE);
  }

  async close(): Promise<void> {
    await this.sidecar.end();
    this.workspace.remove();
  }
}

/** Hovers over lines with layers, one after another, until `isEnough`. */
async function hovers({ editor, uri }: Subject, isEnough: (count: number) => boolean): Promise<number[]> {
  const lines = Object.keys(await editor.hints(uri)).map(Number);
  const times: number[] = [];
  while (!isEnough(times.length)) {
    const start = performance.now();
    if ((await editor.hover(uri, lines[times.length % lines.length])) === null) throw new Error("a hover is empty");
    times.push((performance.now() - start) / 1000);
    await sleep(5);
  }
  return times;
}

/** While the net is evaluated again and again. */
export async function hoversDuringEvaluation(subject: Subject, count: number): Promise<number[]> {
  await quietMoment();
  const { editor, uri } = subject;
  let goesOn = true;
  const evaluating = (async (): Promise<void> => {
    while (goesOn) result(await editor.analyze(uri, NAME));
  })();
  const times = await hovers(subject, (done) => done >= count);
  goesOn = false;
  await evaluating;
  return times;
}

/** While Jacobians of the net are computed. */
export async function hoversDuringJacobian(subject: Subject, count: number): Promise<number[]> {
  await quietMoment();
  const { editor, uri, workspace } = subject;
  const source = new CancellationTokenSource();
  let goesOn = true;
  const computing = (async (): Promise<void> => {
    for (let runs = 0; goesOn; runs++) {
      const outcome = await editor.request(
        "kernelscope/jacobian",
        {
          run: String(runs),
          model: { uri, export: NAME },
          inputs: { kind: "random", batch: 20, seed: runs },
          strategy: null,
          chunk: 2,
          out: workspace.path("jacobian.npz"),
        },
        source.token,
      );
      if (outcome.kind !== "cancelled") result(outcome);
    }
  })();
  await until("the computation to go on", () => editor.progress.length > 0, 120);
  const times = await hovers(subject, (done) => done >= count);
  goesOn = false;
  source.cancel();
  await computing;
  return times;
}

/** From a save of the net, whose text has changed each time, until what is known of it is of the new text. */
export async function refreshes({ editor, uri, workspace, sidecar }: Subject, count: number): Promise<number[]> {
  await quietMoment();
  const times: number[] = [];
  for (let filters = 80; times.length < count; filters++) {
    await until("a worker in reserve", () => sidecar.workers().length > 0);
    // As long as a person takes at least between two saves
    await sleep(2000);
    await editor.replace(uri, `"wide_1", ${filters}, 1`, `"wide_1", ${filters + 1}, 1`);
    workspace.write(FILE, editor.textOf(uri));
    const before = editor.model(uri, NAME)?.analysis?.jacobian.shape.at(-1);
    const start = performance.now();
    await editor.saved(uri);
    await told(editor, () => {
      const model = editor.model(uri, NAME);
      return model?.activity === "idle" && model.stale === null && model.analysis?.jacobian.shape.at(-1) !== before;
    });
    times.push((performance.now() - start) / 1000);
  }
  return times;
}

/** The same without a process that waits: the command line, from its start to its end. */
export async function freshAnalyses(count: number): Promise<number[]> {
  await quietMoment();
  const workspace = new Workspace();
  const times: number[] = [];
  const text = readFileSync(`examples/${FILE}`, "utf8");
  try {
    for (let filters = 81; times.length < count; filters++) {
      writeFileSync(workspace.path(FILE), text.replace('"wide_1", 80, 1', `"wide_1", ${filters}, 1`));
      await sleep(1000);
      const start = performance.now();
      const args = ["dist/cli.js", "analyze", `${workspace.path(FILE)}#${NAME}`];
      const { status, errors } = await run(process.execPath, args, {});
      if (status !== "exit code 0") throw new Error(`analyze: ${status} ${errors}`);
      times.push((performance.now() - start) / 1000);
    }
  } finally {
    workspace.remove();
  }
  return times;
}

/** From another number of examples in the settings until the model is described with it. */
export async function batchChanges({ editor, uri }: Subject, count: number): Promise<number[]> {
  await quietMoment();
  const times: number[] = [];
  for (let batch = 101; times.length < count; batch++) {
    const start = performance.now();
    await editor.configure({ batch });
    await told(editor, () => editor.model(uri, NAME)?.analysis?.batch === batch);
    times.push((performance.now() - start) / 1000);
    await sleep(50);
  }
  return times;
}

/** On a card with 16 GiB, as a slider moves: each question comes before the last one is answered in full. */
const card: DeviceInfo = {
  name: "Tesla V100 16GB",
  memoryBytes: 16 * 2 ** 30,
  detected: false,
  kind: "card",
  reservedBytes: 512 * 2 ** 20,
};

/** From a question for another number of examples until the first strategy is known, the last question being given up. */
export async function firstPlans({ editor, uri }: Subject, count: number): Promise<number[]> {
  await quietMoment();
  const times: number[] = [];
  let source = new CancellationTokenSource();
  for (let batch = 200; times.length < count; batch++) {
    const id = `slider ${batch}`;
    const first = new Promise<void>((resolve) => {
      const listening = editor.connection.onNotification("kernelscope/plan", ({ id: of }: { id: string }) => {
        if (of !== id) return;
        listening.dispose();
        resolve();
      });
    });
    const start = performance.now();
    source.cancel();
    source = new CancellationTokenSource();
    void editor.request("kernelscope/plan", { id, model: { uri, export: NAME }, batch, device: card }, source.token);
    await first;
    times.push((performance.now() - start) / 1000);
    await sleep(50);
  }
  source.cancel();
  return times;
}

/** From such a question until all is known: every strategy, and chunks of those that do not fit. */
export async function wholePlans({ editor, uri }: Subject, count: number): Promise<number[]> {
  await quietMoment();
  const times: number[] = [];
  for (let batch = 400; times.length < count; batch++) {
    const start = performance.now();
    const id = `whole ${batch}`;
    result(await editor.request("kernelscope/plan", { id, model: { uri, export: NAME }, batch, device: card }));
    times.push((performance.now() - start) / 1000);
  }
  return times;
}

/** Resolves with the very notification that makes it so. */
function told(editor: Editor, isSo: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!isSo()) return;
      editor.listeners.delete(look);
      resolve();
    };
    editor.listeners.add(look);
    look();
  });
}
