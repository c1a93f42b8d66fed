import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import * as vscode from "vscode";
import type { Analysis, NtkAnalysis } from "../sidecar/protocol/analysis";
import type { JacobianInputs, ModelRef } from "../sidecar/protocol/messages";
import type { KernelPart, NtkForm, NtkMethod, TraceKind } from "../sidecar/protocol/ntk";
import type { RunState } from "../sidecar/protocol/panel";
import {
  formatBytes,
  formatKernelFit,
  formatShape,
  formatShortShape,
  kernelsToTake,
  takenBytes,
  formatMany,
} from "../sidecar/protocol/text";
import { upToDate } from "./analyze";
import type { App } from "./app";
import { askForText, askToPick } from "./ask";
import type { KernelRequest } from "./kernels";
import { targetModel, type ModelArgument } from "./models";
import { folderOf, titleOf } from "./places";
import { runOutcome } from "./runs";
import { batchOf } from "./settings";

/** Compute NTK...: asks for examples, a form and a method, and computes in the background, to be seen in the panel meanwhile. */

const TITLE = "Compute NTK";

export function activateComputeNtk(app: App): vscode.Disposable {
  return vscode.commands.registerCommand("kernelscope.computeNtk", async (ref?: ModelArgument) => {
    const model = await targetModel(app, ref);
    if (model !== undefined) await computeNtk(app, model);
  });
}

async function computeNtk(app: App, model: ModelRef): Promise<void> {
  const analysis = await upToDate(app, model);
  if (analysis === null) return;
  const x1 = await askForExamples(model, analysis, "Between which examples?");
  if (x1 === undefined) return;
  const x2 = await askForOthers(model, analysis);
  if (x2 === undefined) return;
  const labels = isArrayFile(x1) ? await askForLabels(model) : null;
  if (labels === undefined) return;
  const isPlanned = x1.kind === "random" && x1.batch === analysis.batch && x2 === null;
  const form = await askForForm(analysis, isPlanned);
  if (form === undefined) return;
  const method = await askForMethod(analysis, form.form, isPlanned);
  if (method === undefined) return;
  const columns = x2 === null ? "" : ` and ${examplesText(x2)}`;
  await startKernel(app, {
    model: { uri: model.uri, export: model.export },
    title: `${titleOf(model)}, ${examplesText(x1)}${columns}`,
    x1,
    x2,
    labels,
    part: null,
    ...form,
    method: method.method,
  });
}

/** Shows the kernel in the panel and computes what is not known of it yet. */
export async function startKernel(app: App, request: KernelRequest): Promise<void> {
  const { kernel, folder } = await app.kernels.remember(request);
  const { model, title } = request;
  if (request.part === null) await showKernel(model, kernel);
  if (app.kernels.find(kernel)?.status === "running") return;
  const run = await app.runs.start({
    title: `NTK of ${title}`,
    model,
    out: app.kernels.fileOf(kernel),
    ask: async (run, token) =>
      runOutcome("ntk", await app.sidecar.request("kernelscope/ntk", { ...request, run, kernel, folder }, token)),
  });
  void report(app, run, request);
}

/** The part of one parameter, of the same kernel. */
export async function startPart(app: App, part: KernelPart): Promise<void> {
  const whole = app.kernels.requestOf(part.of);
  if (whole !== undefined) await startKernel(app, { ...whole, part, title: `${whole.title}, ${part.parameter}` });
}

async function showKernel(model: ModelRef, kernel: string): Promise<void> {
  await vscode.commands.executeCommand("kernelscope.showOverview", model, "ntk", kernel);
}

async function report(
  app: App,
  { title, status, message, result, model }: RunState,
  request: KernelRequest,
): Promise<void> {
  if (status === "done" && result?.kind === "ntk") {
    const { shape, method, seconds, kernel } = result.summary;
    const text = `${title}: ${formatShortShape(shape)}, ${method}, in ${seconds.toFixed(2)} s.`;
    const action = await vscode.window.showInformationMessage(text, "Show");
    if (action) await showKernel(model, kernel);
  } else if (status === "failed") {
    const action = await vscode.window.showErrorMessage(`${title}: ${message ?? "failed"}`, "Try Again", "Show Log");
    if (action === "Try Again") await startKernel(app, request);
    if (action === "Show Log") app.log.show();
  }
}

// Questions, each undefined where the user gave up

interface ExamplesItem extends vscode.QuickPickItem {
  readonly ask: () => Promise<JacobianInputs | null | undefined>;
}

function examplesItems(model: ModelRef, analysis: Analysis, seed: number): ExamplesItem[] {
  const batch = batchOf(model);
  const file = async (options: vscode.OpenDialogOptions): Promise<JacobianInputs | undefined> => {
    const defaultUri = vscode.Uri.file(folderOf(model));
    const [chosen] = (await vscode.window.showOpenDialog({ defaultUri, ...options })) ?? [];
    return chosen && { kind: "file", file: chosen.fsPath };
  };
  const items: ExamplesItem[] = [
    {
      label: "Random Inputs",
      description: `${formatMany(batch, "example")} of standard normal numbers`,
      ask: () => Promise.resolve({ kind: "random", batch, seed }),
    },
    {
      label: "From a File...",
      description: ".npy, or .npz with an array for each input",
      ask: () => file({ title: "Examples: the first axis is the batch", filters: { "NumPy arrays": ["npy", "npz"] } }),
    },
  ];
  if (takesImages(analysis)) {
    items.push({
      label: "From a Folder of Images...",
      description: "PNG or JPEG; folders in it are classes",
      ask: () => file({ title: "A folder of images", canSelectFolders: true, canSelectFiles: false }),
    });
  }
  if (vscode.workspace.isTrusted) {
    items.push({
      label: "From Code...",
      description: "a tensor, array, dataset or function, such as data.ts#digits",
      ask: () => askForBinding(model),
    });
  }
  return items;
}

function takesImages({ inputs }: Analysis): boolean {
  return inputs.length === 1 && inputs[0].shape.length === 4 && [1, 3].includes(inputs[0].shape[3]);
}

async function askForExamples(
  model: ModelRef,
  analysis: Analysis,
  placeHolder: string,
): Promise<JacobianInputs | undefined> {
  const picked = await askToPick(examplesItems(model, analysis, 1), { title: TITLE, placeHolder });
  return (await picked?.ask()) ?? undefined;
}

/** Null for the same examples. */
async function askForOthers(model: ModelRef, analysis: Analysis): Promise<JacobianInputs | null | undefined> {
  const same: ExamplesItem = {
    label: "The Same Examples",
    description: "symmetric: half of the work, and it has a spectrum",
    ask: () => Promise.resolve(null),
  };
  const items = [same, ...examplesItems(model, analysis, 2)];
  const picked = await askToPick(items, { title: TITLE, placeHolder: "And which others?" });
  return picked?.ask();
}

async function askForBinding(model: ModelRef): Promise<JacobianInputs | undefined> {
  const folder = folderOf(model);
  const own = basename(vscode.Uri.parse(model.uri).fsPath);
  const value = model.export === null ? "" : `${own}#`;
  const text = await askForText({
    title: TITLE,
    prompt: "FILE#NAME: the code file and its top-level binding that holds the examples, or makes them",
    value,
    valueSelection: [value.length, value.length],
    validateInput: (typed) => {
      const [file, name] = split(typed);
      if (!file || !name) return "Give a file and a name, as in data.ts#digits";
      return existsSync(resolve(folder, file)) ? null : `There is no file ${file} in ${folder}`;
    },
  });
  if (text === undefined) return undefined;
  const [file, name] = split(text);
  return { kind: "file", file: `${resolve(folder, file)}#${name}` };
}

function split(text: string): [file: string, name: string] {
  const hash = text.indexOf("#");
  return hash < 0 ? [text.trim(), ""] : [text.slice(0, hash).trim(), text.slice(hash + 1).trim()];
}

/** Folders and code say themselves what their examples are of. */
function isArrayFile(inputs: JacobianInputs): boolean {
  return inputs.kind === "file" && /\.np[yz]$/i.test(inputs.file);
}

/** Null for none. */
async function askForLabels(model: ModelRef): Promise<string | null | undefined> {
  const none = { label: "No Labels", description: "" };
  const file = { label: "From a File...", description: ".npy with a whole number for each example" };
  const picked = await askToPick([none, file], {
    title: TITLE,
    placeHolder: "Of which classes are they?",
  });
  if (picked !== file) return picked && null;
  const [chosen] =
    (await vscode.window.showOpenDialog({
      title: "Labels: a whole number for each example",
      filters: { "NumPy array": ["npy"] },
      defaultUri: vscode.Uri.file(folderOf(model)),
    })) ?? [];
  return chosen?.fsPath;
}

interface FormItem extends vscode.QuickPickItem {
  readonly form: NtkForm;
  readonly trace: TraceKind;
}

async function askForForm(
  { ntk }: Analysis,
  isPlanned: boolean,
): Promise<Pick<KernelRequest, "form" | "trace"> | undefined> {
  const takes = (form: NtkForm): string => {
    const planned = kernelsToTake(ntk).find((each) => each.form === form);
    if (!isPlanned || planned === undefined) return axes[form];
    return `${formatShape(planned.shape)} · ${takesText(planned)}`;
  };
  const item = (label: string, form: NtkForm, trace: TraceKind, detail: string): FormItem => ({
    label,
    description: takes(form),
    detail,
    form,
    trace,
  });
  const items = [
    item("Trace, mean", "trace", "mean", "the mean over outputs, as neural-tangents has it: one number for a pair"),
    item("Trace, sum", "trace", "sum", "the sum over outputs, as PyTorch's tutorial has it"),
    item("Diagonal", "diagonal", "mean", "for each output how it moves the same output of another example"),
    item("Full", "full", "mean", "for each pair of examples how every output moves every other"),
  ];
  const picked = await askToPick(items, { title: TITLE, placeHolder: "Which form?" });
  return picked && { form: picked.form, trace: picked.trace };
}

const axes: Readonly<Record<NtkForm, string>> = {
  trace: "[N1, N2]",
  diagonal: "[N1, N2, C]",
  full: "[N1, N2, C, C]",
};

const explanations: Readonly<Record<NtkMethod, string>> = {
  structured: "by each layer's own rule: mostly the quickest",
  "vector-products": "one vector-Jacobian and one Jacobian-vector product for each output: few outputs",
  contraction: "the explicit Jacobian with itself: needs its memory",
};

interface MethodItem extends vscode.QuickPickItem {
  readonly method: NtkMethod | null;
}

async function askForMethod(
  { ntk }: Analysis,
  form: NtkForm,
  isPlanned: boolean,
): Promise<{ readonly method: NtkMethod | null } | undefined> {
  const items = (Object.keys(explanations) as NtkMethod[]).map((method): MethodItem => {
    const planned = ntk.find((each) => each.form === form && each.method === method);
    const description = isPlanned && planned ? takesText(planned) : "";
    return { label: method, description, detail: explanations[method], method };
  });
  const best = ntk.find((each) => each.form === form && each.recommended);
  const automatic = {
    label: "Automatic",
    description: isPlanned && best ? best.method : "the quickest by estimate",
    method: null,
  };
  return askToPick<MethodItem>([automatic, ...items], {
    title: TITLE,
    placeHolder: "By which method?",
  });
}

/** `9.5 MiB, fits` */
function takesText(planned: NtkAnalysis): string {
  return `${formatBytes(takenBytes(planned))}, ${formatKernelFit(planned)}`;
}

/** `digits.npy`, `100 random examples` */
function examplesText(inputs: JacobianInputs): string {
  return inputs.kind === "random" ? `${inputs.batch} random examples` : basename(inputs.file);
}
