import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CancellationTokenSource } from "vscode-languageserver/node";
import type { ModelOptions, ModelState, Settings } from "../../sidecar/protocol/messages";
import { python } from "../tools";
import { Editor, failure, result } from "./editor";
import { shareSidecar } from "./shared-sidecar";
import { startSidecar, until, type Sidecar, type Workspace } from "./sidecar";

/** Python files in the editor: found from their text, evaluated by the user's own Python, kept up to date. */

const TIMEOUT = 300_000;

let sidecar: Sidecar;
let editor: Editor;
let workspace: Workspace;
/** Where the sidecar's temporary files are. */
const temporary = mkdtempSync(join(tmpdir(), "kernelscope-temporary-"));

// Hooks at the end run last to first: the sidecar has ended when its temporary files are removed
afterAll(() => rmSync(temporary, { recursive: true }));
shareSidecar(
  (shared) => ({ sidecar, workspace } = shared),
  () => editor,
  { TMPDIR: temporary },
);

const small = `import torch
from torch import nn

from parts import scaled


class Net(nn.Module):
    def __init__(self, width, depth=1):
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x, scale=None):
        y = torch.relu(self.hidden(x))
        return scaled(self.head(y))


def make_net(width: int):
    return Net(width, depth=2)
`;
const parts = "def scaled(x):\n    return 2 * x\n";

const lineOf = (text: string, piece: string): number => text.split("\n").findIndex((line) => line.includes(piece)) + 1;

/** Opens a file, in an editor with these options of its models, by their names. */
async function opened(
  name: string,
  text: string | null,
  options: Record<string, ModelOptions> = {},
  settings: Partial<Settings> = {},
): Promise<string> {
  if (text === null) copyFileSync(`test/python/nets/${name}`, workspace.path(name));
  else workspace.write(name, text);
  const models = Object.fromEntries(
    Object.entries(options).map(([model, each]) => [`${workspace.path(name)}#${model}`, each]),
  );
  editor = await Editor.connect(sidecar, { python, timeLimit: 150, models, ...settings });
  const uri = workspace.uri(name);
  await editor.open(uri, undefined, "python");
  return uri;
}

/** When PyTorch has said what it would do, after the analysis. */
async function answered(uri: string, name: string): Promise<void> {
  await editor.modelWhere(uri, name, "to have PyTorch's answer", ({ activity }) => activity === "idle", 150);
}

/** Command lines of the user's Python that run now. */
const pythons = (): string[] => sidecar.processes().filter((each) => each.includes("torch_program.py"));

/** Folders for exported models that have not been removed. */
const leftOver = (): string[] => readdirSync(temporary).filter((name) => name.startsWith("kernelscope-"));

describe("models of a Python file", () => {
  it("are found without being run, also where the workspace is not trusted", async () => {
    workspace.write("parts.py", parts);
    const uri = await opened("net.py", small, {}, { trusted: false, evaluate: "onOpen" });
    await editor.modelWhere(uri, "make_net", "to be found", () => true);
    expect(editor.files.get(uri)!.models).toMatchObject([
      { export: "Net", kind: "class", takes: ["width", "depth?"], inputs: ["x", "scale?"], isPart: true, line: 7 },
      { export: "make_net", kind: "factory", takes: ["width"], inputs: ["x", "scale?"], isPart: false, line: 18 },
    ]);
    const trust = "$(workspace-untrusted) Trust this workspace to analyze the model";
    expect(await editor.lenses(uri)).toEqual([`7: ${trust}`, `18: ${trust}`]);
    expect(failure(await editor.analyze(uri, "Net"))).toContain("not trusted");
    await editor.saved(uri);
    expect(await editor.request("kernelscope/find", { uris: [uri, workspace.uri("parts.py")] })).toHaveLength(1);
    expect(pythons()).toEqual([]);
  });

  it("wait for arguments and input shapes before they are evaluated unasked", async () => {
    workspace.write("parts.py", parts);
    const uri = await opened("net.py", small, {}, { evaluate: "onOpen" });
    await editor.modelWhere(uri, "Net", "to be found", () => true);
    await new Promise((done) => setTimeout(done, 300));
    expect(editor.model(uri, "Net")).toMatchObject({ activity: "idle", fault: null });
    expect(pythons()).toEqual([]);
  });

  it("have no Python that can be started: the cause and what to do are told", async () => {
    const uri = await opened(
      "net.py",
      small,
      { make_net: { arguments: "3", inputs: ["x=N,4"] } },
      { python: "/no/py" },
    );
    expect(failure(await editor.analyze(uri, "make_net"))).toBe(
      "/no/py cannot be started (spawn /no/py ENOENT); choose the Python interpreter that has PyTorch",
    );
    await until("a diagnostic", () => editor.diagnostics.get(uri)?.length === 1);
    expect(editor.diagnostics.get(uri)).toMatchObject([
      { code: "python-interpreter", severity: 1, range: { start: { line: 17 } } },
    ]);
    expect(await editor.fixes(uri)).toEqual(["Choose the Python interpreter…", "Analyze again"]);
  });
});

describe.skipIf(python === undefined)("a Python file", () => {
  it(
    "is evaluated with its arguments and inputs, and has its shapes beside its lines",
    async () => {
      workspace.write("parts.py", parts);
      const uri = await opened("net.py", small, { Net: { arguments: "width=8", inputs: ["x=N,4"] } });
      const { analysis } = result(await editor.analyze(uri, "Net"));
      expect(analysis!.model).toMatchObject({ format: "torch-code", export: "Net(width=8)" });
      expect(analysis!.jacobian.shape).toEqual([100, 2, 58]);
      const hidden = lineOf(small, "self.hidden(x)");
      expect(await editor.hints(uri)).toEqual({
        [hidden]: "→ [100, 8]  J [100, 2, 40] 31.25 KiB",
        [lineOf(small, "self.head(y)")]: "→ [100, 2]  J [100, 2, 18] 14.06 KiB",
      });
      const hover = (await editor.hover(uri, hidden))!;
      expect(hover).toContain("**hidden** (Linear) → `[100, 8]`");
      expect(hover).toContain("| `hidden.weight` | float32[8, 4] | `[100, 2, 8, 4]` | 25.00 KiB |");
      await editor.modelWhere(uri, "Net", "to be planned", ({ planning }) => !planning);
      await answered(uri, "Net");
      expect(await editor.lenses(uri)).toEqual([
        "7: Jacobian [100, 2, 58] · 45.31 KiB · fits",
        "7: NTK [100, 100, 2, 2] · 156.25 KiB",
        "7: Analyze",
        "18: $(play) Analyze",
      ]);
      // Editing marks it at once; hints move with their lines
      await editor.replace(uri, "import torch\n", "import torch\n\n");
      expect(await editor.hints(uri)).toEqual({
        [hidden + 1]: "~ → [100, 8]  J [100, 2, 40] 31.25 KiB",
        [lineOf(small, "self.head(y)") + 1]: "~ → [100, 2]  J [100, 2, 18] 14.06 KiB",
      });
      expect((await editor.lenses(uri))[0]).toBe("8: Jacobian [100, 2, 58] · 45.31 KiB · stale");
      // Saving refreshes it, also a file that it imports
      workspace.write("net.py", editor.textOf(uri));
      await editor.saved(uri);
      await editor.modelWhere(uri, "Net", "to be fresh", (each) => each.activity === "idle" && !each.stale, 100);
      expect(Object.keys(editor.model(uri, "Net")!.digests)).toEqual(
        ["net.py", "parts.py"].map((n) => workspace.path(n)),
      );
      await editor.open(workspace.uri("parts.py"), undefined, "python");
      workspace.write("parts.py", parts.replace("2 * x", "x.repeat(1, 2)"));
      await editor.replace(workspace.uri("parts.py"), "2 * x", "x.repeat(1, 2)");
      expect(editor.model(uri, "Net")!.stale).toBe(null);
      await until("the change to be seen", () => editor.model(uri, "Net")!.stale === "edited");
      await editor.saved(workspace.uri("parts.py"));
      await editor.modelWhere(
        uri,
        "Net",
        "to be evaluated anew",
        ({ analysis }) => analysis?.outputs[0].shape[1] === 4,
        100,
      );
      await answered(uri, "Net");
      expect(leftOver()).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    "asks for what is missing, at its line, and takes what is set then",
    async () => {
      workspace.write("parts.py", parts);
      const uri = await opened("net.py", small, {});
      expect(failure(await editor.analyze(uri, "Net"))).toBe(
        "Net cannot be called so (missing a required argument: 'width'); set its arguments, such as 16, depth=2",
      );
      await until("a diagnostic", () => editor.diagnostics.get(uri)?.length === 1);
      expect(editor.diagnostics.get(uri)).toMatchObject([{ code: "model-error", range: { start: { line: 6 } } }]);
      expect((await editor.fixes(uri))[0]).toBe("Set the arguments of Net…");
      const key = `${workspace.path("net.py")}#Net`;
      await editor.configure({ models: { [key]: { arguments: "3" } } });
      const asked = await editor.modelWhere(
        uri,
        "Net",
        "to ask for its inputs",
        ({ fault }) => {
          return fault?.message.includes("shape") ?? false;
        },
        100,
      );
      expect(asked.fault!.message).toBe(
        "The shape of x is not known; set the input shape x=N,SHAPE, such as x=N,3,32,32 (N is the batch axis)",
      );
      await until("a diagnostic", () => editor.diagnostics.get(uri)?.[0]?.code === "input-shape");
      expect(editor.diagnostics.get(uri)).toMatchObject([
        { range: { start: { line: lineOf(small, "def forward") - 1 } } },
      ]);
      expect(await editor.fixes(uri)).toEqual(["Set the input shapes of Net…", "Analyze again"]);
      await editor.configure({ models: { [key]: { arguments: "3", inputs: ["x=N,4"] } } });
      const { analysis } = await editor.modelWhere(
        uri,
        "Net",
        "to be evaluated",
        (each) => each.analysis !== null,
        100,
      );
      expect(analysis!.jacobian.shape).toEqual([100, 2, 23]);
    },
    TIMEOUT,
  );

  it(
    "with an error has it told at the user's own line",
    async () => {
      const file =
        "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return x.view(7, 7)\n";
      const uri = await opened("net.py", file, { Net: { inputs: ["x=N,4"] } });
      expect(failure(await editor.analyze(uri, "Net"))).toMatch(
        /^forward, with x of shape \[2, 4\], raised RuntimeError: shape '\[7, 7\]' is invalid .*; correct the line, or the input shapes$/,
      );
      await until("a diagnostic", () => editor.diagnostics.get(uri)?.length === 1);
      expect(editor.diagnostics.get(uri)).toMatchObject([
        { code: "input-shape", range: { start: { line: 4, character: 8 } } },
      ]);
      workspace.write("net.py", file.replace("(self, x):", "(self, x)"));
      await editor.replace(uri, "(self, x):", "(self, x)");
      await editor.saved(uri);
      const { fault } = await editor.modelWhere(
        uri,
        "Net",
        "to be no Python",
        ({ fault }) => {
          return fault?.message.startsWith("This is no Python") ?? false;
        },
        100,
      );
      expect(fault!.source).toMatchObject({ file: workspace.path("net.py"), line: 4 });
    },
    TIMEOUT,
  );
});

describe.skipIf(python === undefined)("the user's Python", () => {
  const endless = `from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return x

while True:
    pass
`;

  it(
    "ends when the evaluation is cancelled, and leaves nothing behind",
    async () => {
      const uri = await opened("net.py", endless, { Net: { inputs: ["x=N,4"] } });
      const source = new CancellationTokenSource();
      const outcome = editor.analyze(uri, "Net", source.token);
      await until("its Python", () => pythons().length > 0);
      expect(await editor.lenses(uri)).toEqual(["3: $(loading~spin) Evaluating", "3: Cancel"]);
      const start = performance.now();
      source.cancel();
      expect(await outcome).toEqual({ kind: "cancelled" });
      expect(performance.now() - start).toBeLessThan(2000);
      await until("its end", () => pythons().length === 0, 5);
      expect(leftOver()).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    "ends when the sidecar is killed",
    async () => {
      const uri = await opened("net.py", endless, { Net: { inputs: ["x=N,4"] } });
      const other = await startSidecar({ TMPDIR: temporary });
      const second = await Editor.connect(other, {
        python,
        models: { [`${workspace.path("net.py")}#Net`]: { inputs: ["x=N,4"] } },
      });
      void second.analyze(uri, "Net").catch(() => undefined);
      await until("its Python", () => other.processes().some((each) => each.includes("torch_program.py")));
      other.process.kill("SIGKILL");
      await until("the end of all", () => other.processes().length === 0, 5);
      expect(leftOver()).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    "is stopped when its time is up, with the line",
    async () => {
      const uri = await opened("net.py", endless, { Net: { inputs: ["x=N,4"] } }, { timeLimit: 15 });
      expect(failure(await editor.analyze(uri, "Net"))).toBe(
        "The model was not evaluated within 15 s; look for an endless loop here, or raise the setting kernelscope.timeLimit",
      );
      expect(editor.model(uri, "Net")!.fault!.source!.line).toBeGreaterThan(6);
      expect(pythons()).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    "is another one when the setting or the folder's choice changes, which evaluates anew what was evaluated",
    async () => {
      workspace.write("parts.py", parts);
      const options = { make_net: { arguments: "3", inputs: ["x=N,4"] } };
      const pythons = { [workspace.folder]: "/no/such/py", "/elsewhere": "/another" };
      const uri = await opened("net.py", small, options, { python: "", pythons });
      expect(failure(await editor.analyze(uri, "make_net"))).toContain("/no/such/py cannot be started");
      await editor.configure({ pythons: { [workspace.folder]: python! } });
      await editor.modelWhere(uri, "make_net", "to be evaluated", ({ analysis }) => analysis !== null, 100);
      await editor.configure({ python: "/none" });
      const { stale } = await editor.modelWhere(uri, "make_net", "to fail", ({ fault }) => fault !== null);
      expect(stale).toBe("failed");
    },
    TIMEOUT,
  );
});

describe.skipIf(python === undefined)("what the user's own PyTorch would do", () => {
  /** Has an answer for nobody who transforms it. */
  const waiting = `import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        while torch._C._functorch.peek_interpreter_stack() is not None:
            time.sleep(0.1)
        return self.linear(x)
`;

  it(
    "stands beside our own figures: the wide residual net takes 30.52 GiB for one array",
    async () => {
      const text = readFileSync("examples/wide_residual.py", "utf8");
      const uri = await opened("wide_residual.py", text, { WideResidual: { inputs: ["x=N,3,32,32"] } });
      result(await editor.analyze(uri, "WideResidual"));
      await editor.modelWhere(uri, "WideResidual", "to be planned", ({ planning }) => !planning, 100);
      await answered(uri, "WideResidual");
      const hover = (await editor.hover(uri, lineOf(text, "class WideResidual")))!;
      expect(hover).toMatch(
        /^\| `jacrev` \|\s+\| 9\d\.\d\d GiB \| `\[1000, 100, 80, 32, 32\]` 30\.52 GiB \| too large \|$/m,
      );
      expect(hover).toContain("| in PyTorch 2.13.0 | chunk | takes | here | |");
      expect(hover).toMatch(/^\| `jacrev` \|\s+\| \d+\.\d\d GiB \| 9\d\.\d\d GiB \| too large \|$/m);
      expect(await editor.hover(uri, lineOf(text, "self.wide_1(x)"))).not.toBe(null);
      expect(await editor.hover(uri, lineOf(text, "self.half_1(x)"))).toContain("30.52 GiB");
      const found = await until("what does not fit", () => {
        const large = editor.diagnostics.get(uri)!.filter(({ code }) => code === "pytorch-memory");
        return large.length > 0 ? large : null;
      });
      expect(found).toMatchObject([{ range: { start: { line: lineOf(text, "class WideResidual") - 1 } } }]);
      expect(found[0].message).toMatch(
        /^In PyTorch 2\.13\.0 .*jacrev takes \d+\.\d\d GiB for 100 examples, more than the 16\.00 GiB of Tesla V100 16GB; /,
      );
    },
    TIMEOUT,
  );

  it(
    "is asked when the model is told already, and given up without losing that",
    async () => {
      const uri = await opened("net.py", waiting, { Net: { inputs: ["x=N,4"] } });
      const outcome = result(await editor.analyze(uri, "Net"));
      expect(outcome).toMatchObject({ activity: "asking-pytorch", analysis: { pytorch: null } });
      const isTold = ({ activity, planning }: ModelState): boolean => activity === "asking-pytorch" && !planning;
      const told = await editor.modelWhere(uri, "Net", "to be told", isTold, 100);
      expect(told).toMatchObject({ stale: null, analysis: { jacobian: { shape: [100, 2, 10] }, pytorch: null } });
      expect(told.analysis!.strategies).not.toEqual([]);
      const line = lineOf(waiting, "class Net");
      expect(await editor.lenses(uri)).toEqual([
        `${line}: Jacobian [100, 2, 10] · 7.81 KiB · fits`,
        `${line}: NTK [100, 100, 2, 2] · 156.25 KiB`,
        `${line}: $(loading~spin) Asking PyTorch`,
        `${line}: Cancel`,
      ]);
      // It is asked anew of another number of examples
      await editor.configure({ batch: 7 });
      await editor.modelWhere(uri, "Net", "to be evaluated anew", ({ activity }) => activity === "evaluating");
      const isOfSeven = (model: ModelState): boolean => isTold(model) && model.analysis?.batch === 7;
      await editor.modelWhere(uri, "Net", "to be told for 7", isOfSeven, 100);
      await editor.request("kernelscope/cancelAnalysis", { model: { uri, export: "Net" } });
      const left = await editor.modelWhere(uri, "Net", "to be left", ({ activity }) => activity === "idle");
      expect(left).toMatchObject({ stale: null, fault: null, analysis: { batch: 7, pytorch: null } });
      await until("its end", () => pythons().length === 0, 5);
      expect(leftOver()).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    "is told at the lines of loops and errors, and asked anew for another number of examples",
    async () => {
      const uri = await opened("probed.py", null, {
        Loops: { inputs: ["x=N,5,4"] },
        Gated: { inputs: ["x=N,5,4"] },
      });
      result(await editor.analyze(uri, "Loops"));
      result(await editor.analyze(uri, "Gated"));
      const text = workspace.read("probed.py");
      const told = (code: string): string[] =>
        editor.diagnostics
          .get(uri)!
          .filter((each) => each.code === code)
          .map(({ range, message }) => `${text.split("\n")[range.start.line].trim()}: ${message as string}`);
      await answered(uri, "Loops");
      await answered(uri, "Gated");
      await until("the error of the GRU", () => told("pytorch-error").some((each) => each.includes("[1, 6]")));
      await until("the loops", () => told("pytorch-fallback").length > 0);
      const loops = told("pytorch-fallback");
      expect(loops).toContainEqual(
        "y, _ = self.cells(x): PyTorch 2.13.0 has no batching rule for aten::mkldnn_rnn_layer, and runs it as a loop here: " +
          "vmap(jacrev) 100 times for 100 examples; take jacrev of the whole batch, which runs this operation once.",
      );
      expect(loops.filter((each) => each.startsWith("y = self.encoder(y): "))).toEqual([
        expect.stringContaining("aten::_scaled_dot_product_flash_attention_for_cpu, and runs it as a loop here"),
        expect.stringContaining(
          "aten::_scaled_dot_product_flash_attention_for_cpu_backward, and runs it as a loop, in the backward",
        ),
      ]);
      expect(told("pytorch-error")).toContainEqual(
        "y, _ = self.cells(x): vmap(jacrev) raises in PyTorch 2.13.0: output with shape [1, 6] doesn't match the broadcast " +
          "shape [2, 1, 6]; take jacrev of the whole batch, which works here.",
      );
      await editor.configure({ batch: 7 });
      const meanwhile = await editor.modelWhere(uri, "Loops", "to be told for 7", (each) => each.analysis?.batch === 7);
      expect(meanwhile).toMatchObject({ activity: "evaluating", stale: null, analysis: { pytorch: null } });
      const asked = await editor.modelWhere(
        uri,
        "Loops",
        "to be evaluated anew",
        ({ analysis, activity }) => {
          return activity === "idle" && analysis?.batch === 7 && Boolean(analysis.pytorch);
        },
        150,
      );
      expect(asked.analysis!.pytorch!.fallbacks[0].iterations).toBe(7);
    },
    TIMEOUT,
  );
});
