import * as vscode from "vscode";
import type { Analysis, StrategyAnalysis } from "../sidecar/protocol/analysis";
import type { ModelRef } from "../sidecar/protocol/messages";
import { formatBytes, formatShape, formatWay, takenBytes, formatMany } from "../sidecar/protocol/text";
import { analyze } from "./analyze";
import type { App } from "./app";
import { askToPick } from "./ask";
import { targetModel, type ModelArgument } from "./models";
import { titleOf } from "./places";
import { modelOptions, writeModelOptions } from "./settings";

/** How a model's Jacobian is to be computed, and with respect to what: settled by fixes, the panel and commands. */

type Strategy = StrategyAnalysis["strategy"];

export const explanations: Readonly<Record<Strategy, string>> = {
  "vmap(jacrev)": "every output of all examples at once, backwards",
  "vmap(jacfwd)": "every parameter of all examples at once, forwards: for few parameters",
  jacrev: "the batch as a whole, backwards",
  "grad-loop": "one output of one example after the other: least memory",
};

export function activateStrategy(app: App): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(
      "kernelscope.useStrategy",
      (model: ModelRef, strategy: Strategy | null, chunk: number | null) => useStrategy(model, strategy, chunk),
    ),
    vscode.commands.registerCommand("kernelscope.chooseStrategy", async (ref?: ModelArgument) => {
      const model = await targetModel(app, ref);
      if (model !== undefined) await chooseStrategy(app, model);
    }),
    vscode.commands.registerCommand(
      "kernelscope.excludeParameters",
      async (ref?: ModelArgument, names?: readonly string[] | null) => {
        const model = await targetModel(app, ref);
        if (model === undefined) return;
        if (names === undefined) await chooseParameters(app, model);
        else if (names === null) await writeModelOptions(model, { exclude: undefined });
        else await exclude(model, [...(modelOptions(model).exclude ?? []), ...names]);
      },
    ),
  );
}

/** @param strategy null leaves it open: whatever is best */
export async function useStrategy(model: ModelRef, strategy: Strategy | null, chunk: number | null): Promise<void> {
  await writeModelOptions(model, { strategy: strategy ?? undefined, chunk: chunk ?? undefined });
}

/** What is known of a model, which is evaluated first if need be. */
async function analysisOf(app: App, model: ModelRef): Promise<Analysis | null> {
  return app.store.find(model)?.analysis ?? (await analyze(app, model))?.analysis ?? null;
}

async function chooseStrategy(app: App, model: ModelRef): Promise<void> {
  const analysis = await analysisOf(app, model);
  if (analysis === null) return;
  const chosen = modelOptions(model);
  const mark = (isChosen: boolean): string => (isChosen ? " — chosen" : "");
  const ways = analysis.strategies.map((each) => {
    const { strategy, chunk } = each;
    const isChosen = strategy === chosen.strategy && chunk === (chosen.chunk ?? null);
    return {
      label: formatWay(each),
      description: `${takes(each)}${mark(isChosen)}`,
      detail: explanations[strategy],
      each,
    };
  });
  const automatic = {
    label: "Automatic",
    description: `whatever is best${mark(chosen.strategy === undefined)}`,
    each: null,
  };
  const picked = await askToPick([automatic, ...ways], {
    title: `${titleOf(model)}: how to compute the Jacobian`,
    placeHolder: `For ${formatMany(analysis.batch, "example")} on ${analysis.device.name}`,
  });
  if (picked) await useStrategy(model, picked.each?.strategy ?? null, picked.each?.chunk ?? null);
}

async function chooseParameters(app: App, model: ModelRef): Promise<void> {
  const analysis = await analysisOf(app, model);
  if (analysis === null) return;
  const excluded = new Set(modelOptions(model).exclude ?? []);
  const items = analysis.parameters
    .filter(({ name, trainable }) => trainable || excluded.has(name))
    .map(({ name, shape, jacobian }) => ({
      label: name,
      description: `${formatShape(shape)} · ${formatBytes(jacobian.bytes)} of the Jacobian`,
      picked: !excluded.has(name),
    }));
  const picked = await askToPick(items, {
    title: `${titleOf(model)}: the Jacobian with respect to`,
    placeHolder: "Parameters that are not checked are left out",
    canPickMany: true,
  });
  if (picked === undefined) return;
  const kept = new Set(picked.map(({ label }) => label));
  await exclude(
    model,
    items.map(({ label }) => label).filter((name) => !kept.has(name)),
  );
}

async function exclude(model: ModelRef, names: readonly string[]): Promise<void> {
  await writeModelOptions(model, { exclude: names.length > 0 ? [...new Set(names)] : undefined });
}

/** `4.34 GiB, recommended` */
export function takes(way: StrategyAnalysis): string {
  const word = way.fits ? (way.recommended ? "recommended" : "fits") : "does not fit";
  return `${formatBytes(takenBytes(way))}, ${word}`;
}
