import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { python } from "../tools";
import { examples, id, lens, saveAs, startKernelscope } from "./kernelscope";
import { keepEvidence, until, type ColorTheme, type EditorWindow, type Problem, type VSCode } from "./lib";
import { packageFolder } from "./lib/small-extension";

const small = `from torch import nn


class Small(nn.Module):
    def __init__(self, width, depth=1):
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.hidden(x).relu())
`;

/** Python files with PyTorch models, through the user's own PyTorch. */
describe.skipIf(python === undefined)("a Python file", () => {
  let folder: string;
  /** The workspace: models that users write with PyTorch, and the example of one. */
  let nets: string;
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "kernelscope-python-e2e-"));
    nets = join(folder, "nets");
    cpSync(join(import.meta.dirname, "..", "python", "nets"), nets, { recursive: true });
    copyFileSync(join(examples, "wide_residual.py"), join(nets, "wide_residual.py"));
    // As much of the Python extension as tells which interpreter is chosen: the extension itself is another's to download
    const python = packageFolder(join(import.meta.dirname, "fixtures", "python-extension"), folder);
    vscode = await startKernelscope({ extensions: [python] });
  });
  afterAll(async () => {
    await vscode?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  keepEvidence(() => window);

  const lineOf = (file: string, text: string): number =>
    readFileSync(join(nets, file), "utf8")
      .split("\n")
      .findIndex((line) => line.includes(text)) + 1;

  async function expectProblem(line: number, severity: Problem["severity"], message: RegExp): Promise<void> {
    await expect
      .poll(() => window.problems.list())
      .toContainEqual(expect.objectContaining({ line, severity, message: expect.stringMatching(message) as string }));
  }

  describe("of a workspace that is not trusted", () => {
    beforeAll(async () => {
      window = await vscode.open({ workspace: nets, trust: "withheld" });
    });
    afterAll(() => window.close());

    it("has its models listed, and nothing of it run", async () => {
      await window.openFile("wide_residual.py");
      await lens(window, /^Trust this workspace to analyze the model$/);
      const tree = await window.tree("Kernelscope", "Models");
      await expect
        .poll(() => tree.rows())
        .toEqual(
          expect.arrayContaining([
            expect.objectContaining({ label: "Net", description: "class, not analyzed" }),
            expect.objectContaining({ label: "make_net", description: "factory, not analyzed" }),
            expect.objectContaining({ label: "made", description: "not analyzed" }),
          ]),
        );
      await window.runCommand("Kernelscope: Analyze Model");
      expect(await window.notifications.waitFor(/wide_residual\.py#WideResidual/)).toMatch(/not trusted/);
      expect(vscode.server.processes(/torch_program/)).toEqual([]);
      await window.screenshot("python, restricted mode");
    });
  });

  describe("of one that is", () => {
    beforeAll(async () => {
      window = await vscode.open({
        workspace: nets,
        settings: {
          "kernelscope.device": "Tesla V100 16GB",
          "kernelscope.timeLimit": 120,
        },
      });
      window.changeSettings({ "kernelscope.python": "/no/such/python" });
      writeFileSync(join(window.folder, "small.py"), small);
    });

    const device = "16\\.00 GiB of Tesla V100 16GB";
    const net = (text: string): number => lineOf("wide_residual.py", text);

    it("asks for the shape of its input, and says which interpreter cannot be started", async () => {
      await window.openFile("wide_residual.py");
      await window.runCommand("Kernelscope: Analyze Model");
      expect(await window.quickInput.question()).toMatch(/wide_residual\.py#WideResidual: shape of x/);
      await window.screenshot("python, the shape of an input");
      await window.quickInput.answer("N,3,32,32");
      const message = await window.notifications.waitFor(/wide_residual\.py#WideResidual/);
      expect(message).toMatch(
        /\/no\/such\/python cannot be started .*; choose the Python interpreter that has PyTorch$/,
      );
      expect(await window.notifications.buttons(/WideResidual/)).toEqual([
        "Choose Python Interpreter...",
        "Show Problem",
      ]);
      await expectProblem(net("class WideResidual"), "Error", /choose the Python interpreter/);
      await window.screenshot("python, no interpreter");
      await window.notifications.press(/WideResidual/, "Choose Python Interpreter...");
      expect(await window.quickInput.question()).toMatch(/Python that runs Python files/);
      await window.quickInput.fill("/none");
      expect(await window.quickInput.objection()).toBe("There is no such file");
      await window.screenshot("python, the interpreter is asked for");
      await window.quickInput.cancel();
    });

    it("says which PyTorch is too old", async () => {
      mkdirSync(join(folder, "old", "torch"), { recursive: true });
      writeFileSync(join(folder, "old", "torch", "__init__.py"), '__version__ = "2.3.1"\n');
      const old = join(folder, "old", "python");
      writeFileSync(old, `#!/bin/sh\nPYTHONPATH=${join(folder, "old")} exec ${python} "$@"\n`);
      chmodSync(old, 0o755);
      window.changeSettings({ "kernelscope.python": old });
      await expectProblem(
        net("class WideResidual"),
        "Error",
        /^PyTorch 2\.3\.1 of .* is too old to export models from; install 2\.4 or later there, or choose another Python interpreter$/,
      );
      await window.problems.close();
    });

    it("has its shapes at its lines once the interpreter is the right one", async () => {
      await window.openFile("wide_residual.py");
      await window.runCommand("Kernelscope: Choose Python Interpreter...");
      await window.quickInput.question();
      await window.quickInput.answer(python!);
      await window.editor.goTo(net("class WideResidual"));
      await until(
        "the analysis",
        async () => (await window.editor.codeLenses()).some((each) => each.startsWith("Jacobian")),
        {
          timeout: 150_000,
        },
      );
      await window.screenshot("python, analyzed");
      await lens(window, /^Jacobian \[100, 10, \d+k\] · 1\.\d\d GiB · fits$/);
      // The rest is there before PyTorch has answered
      const isAsking = (lenses: readonly string[]): boolean => lenses.some((each) => each.includes("Asking PyTorch"));
      await until("PyTorch's answer", async () => !isAsking(await window.editor.codeLenses()), { timeout: 150_000 });
      await window.editor.goTo(net("return self.logits"));
      await expect
        .poll(() => window.editor.inlayHints())
        .toContainEqual({ line: net("return self.logits"), text: "→ [100, 10]  J [100, 10, 650] 2.48 MiB" });
      await window.screenshot("python, hints");
    });

    it.each<ColorTheme>(["Light Modern", "Dark Modern"])(
      "shows 30.52 GiB in the hover over the wide residual net, in %s",
      async (theme) => {
        await window.setColorTheme(theme);
        await window.editor.goTo(net("class WideResidual"));
        const text = await window.editor.hoverOn("WideResidual", /in PyTorch/, net("class WideResidual"));
        expect(text).toMatch(/jacrev\s+9\d\.\d\d GiB\s+\[1000, 100, 80, 32, 32\] 30\.52 GiB\s+too large/);
        expect(text).toMatch(/in PyTorch 2\.13\.0\s+chunk\s+takes\s+here/);
        await window.screenshot(`python, hover on the model, ${theme}`);
        await window.editor.closeHover();
        await window.editor.goTo(net("self.half_1(x)"));
        expect(await window.editor.hoverOn("half_1", /30\.52 GiB/, net("self.half_1(x)"))).toMatch(/half_1/);
        await window.editor.closeHover();
      },
    );

    it("has what does not fit, in PyTorch too, among the problems", async () => {
      await expectProblem(
        net("class WideResidual"),
        "Info",
        new RegExp(`^In PyTorch 2\\.13\\.0 .*jacrev takes \\d+\\.\\d\\d GiB for 100 examples, more than the ${device}`),
      );
      await window.problems.close();
    });

    it("has what PyTorch takes in the panel, beside our own", async () => {
      await window.openFile("wide_residual.py");
      await window.runCommand("Kernelscope: Show Overview");
      const panel = window.webview(id);
      await panel.content.getByRole("tab", { name: "Memory" }).click();
      const section = panel.content.locator(".section.pytorch");
      await expect.poll(() => section.getByRole("heading").innerText()).toBe("Your PyTorch 2.13.0");
      await section.scrollIntoViewIfNeeded();
      for (const theme of ["Light Modern", "Dark Modern"] as const) {
        await window.setColorTheme(theme);
        await section.locator(".row:not(.head)").first().waitFor();
        expect(await panel.accessibilityViolations()).toEqual([]);
        await window.screenshot(`python, the panel, ${theme}`);
      }
      await window.runCommand("View: Close All Editors in Group");
    });

    it("has the loops and errors of torch.func at their lines", async () => {
      const settings = JSON.parse(readFileSync(join(window.folder, ".vscode", "settings.json"), "utf8")) as {
        "kernelscope.models": object;
      };
      window.changeSettings({
        "kernelscope.models": {
          ...settings["kernelscope.models"],
          "probed.py#Loops": { inputs: ["x=N,5,4"] },
          "probed.py#Gated": { inputs: ["x=N,5,4"] },
        },
      });
      await window.openFile("probed.py");
      for (const name of ["Loops", "Gated"]) {
        await window.runCommand("Kernelscope: Analyze Model");
        await window.quickInput.pick(`probed.py#${name}`);
      }
      await expect
        .poll(() => window.problems.list().then((all) => all.map(({ message }) => message)), { timeout: 150_000 })
        .toContainEqual(expect.stringContaining("vmap(jacrev) raises in PyTorch 2.13.0: output with shape [1, 6]"));
      const gated = lineOf("probed.py", "class Gated");
      const source = readFileSync(join(nets, "probed.py"), "utf8").split("\n");
      const gru = gated + source.slice(gated).findIndex((line) => line.includes("self.cells(x)")) + 1;
      await expectProblem(
        gru,
        "Warning",
        /^vmap\(jacrev\) raises .*; take jacrev of the whole batch, which works here\.$/,
      );
      await expectProblem(
        lineOf("probed.py", "self.cells(x)"),
        "Warning",
        /^PyTorch 2\.13\.0 has no batching rule for aten::mkldnn_rnn_layer, and runs it as a loop here: vmap\(jacrev\) 100 times/,
      );
      await expectProblem(
        lineOf("probed.py", "self.encoder(y)"),
        "Warning",
        /aten::_scaled_dot_product_flash_attention_for_cpu, and runs it as a loop here: .*; run it within torch\.nn\.attention\.sdpa_kernel/,
      );
      await window.screenshot("python, loops and errors");
      await window.problems.close();
    });

    it("asks for the constructor's arguments, in Python, and then for the input", async () => {
      await window.openFile("small.py");
      await window.editor.clickCodeLens("Analyze");
      expect(await window.quickInput.question()).toMatch(/small\.py#Small\(width, depth\?\)/);
      await window.quickInput.fill("width=nn");
      expect(await window.quickInput.objection()).toMatch(/nn is no literal/);
      await window.screenshot("python, arguments");
      await window.quickInput.answer("width=3");
      await expect.poll(() => window.quickInput.question()).toMatch(/small\.py#Small: shape of x/);
      await window.quickInput.answer("N,4");
      await lens(window, /^Jacobian \[100, 2, 23\] · 17\.97 KiB · fits$/);
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([{ line: 11, text: "2 layers  J [100, 2, 23] 17.97 KiB" }]);
    });

    it("has its Jacobian computed", async () => {
      await window.runCommand("Kernelscope: Compute Jacobian...");
      await window.quickInput.pick("Random Inputs");
      await window.quickInput.pick("Automatic");
      const out = join(window.folder, "small.npz");
      await saveAs(window, /Write the Jacobian to/, out);
      await window.notifications.waitFor(/^Jacobian of small\.py#Small, .* Written to/);
      expect(existsSync(out)).toBe(true);
      await window.notifications.clear();
    });

    it("is run by the interpreter that is chosen in the Python extension, where the setting names none", async () => {
      window.changeSettings({ "kernelscope.python": "" });
      await window.openFile("small.py");
      // Other files have so many problems that the panel's list does not come to this one's
      expect(await window.editor.hoverOn("Small", /cannot be started/, 4)).toMatch(
        /\/of\/the\/python\/extension\/python/,
      );
      await window.editor.closeHover();
      await window.editor.goTo(4, 8);
      await window.editor.applyQuickFix("Choose the Python interpreter…");
      // Other files' models are evaluated anew, too
      await lens(window, /^Jacobian \[100, 2, 23\] · 17\.97 KiB · fits$/, { timeout: 150_000 });
    });

    it("that was exported opens as its graph", async () => {
      const archive = join(window.folder, "small.pt2");
      const script = `import sys, torch
sys.path.insert(0, sys.argv[1])
from small import Small
batch = torch.export.Dim.DYNAMIC
program = torch.export.export(Small(3).eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: batch},))
torch.export.save(program, sys.argv[2])
`;
      execFileSync(python!, ["-c", script, window.folder, archive], { stdio: "pipe" });
      await window.quickInput.goTo("small.pt2", "small.pt2");
      const { content } = window.webview(id);
      const names = (): Promise<string[]> => content.locator(".outline-rows [role=row] .row-name").allInnerTexts();
      await expect.poll(names).toEqual(["hidden", "weight", "bias", "relu", "head", "weight", "bias"]);
      await expect.poll(() => content.locator(".status").innerText()).toMatch(/^Up to date/);
      await window.screenshot("python, an archive of torch.export");
    });

    it("leaves no Python behind, and has told of no error of the extension's own", async () => {
      await until("no Python to be left", () => vscode.server.processes(/torch_program/).length === 0);
      expect(vscode.server.log(id, "Kernelscope")).not.toMatch(/\[error\]/);
    });
  });
});
