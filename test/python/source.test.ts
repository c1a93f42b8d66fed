import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { ModelError } from "../../sidecar/graph/errors";
import { loadModel, parseInputOption, type Model } from "../../sidecar/sources";
import type { LoadRequest } from "../../sidecar/sources/tfjs";
import { python } from "../tools";

/** Models of Python files, read with the user's own PyTorch. Each takes a process that imports it, which takes seconds. */

const TIMEOUT = 120_000;
const nets = resolve("test/python/nets/nets.py");
const lines = readFileSync(nets, "utf8").split("\n");
const folder = realpathSync(mkdtempSync(join(tmpdir(), "kernelscope-python-test-")));
afterAll(() => rmSync(folder, { recursive: true }));

const lineOf = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1;

function write(name: string, text: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function load(what: string, inputs: string[] = [], options: Partial<LoadRequest> = {}): Promise<Model> {
  const [file, name = null] = what.split("#") as [string, string | undefined];
  return loadModel({ file, export: name, inputs: inputs.map(parseInputOption), batch: 1, python, ...options });
}

async function refused(...args: Parameters<typeof load>): Promise<string> {
  const error: unknown = await load(...args).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ModelError);
  const { message, source } = error as ModelError;
  expect(message.split("\n")).toHaveLength(1);
  return `${source ? `${source.file.replace(`${folder}/`, "").replace(nets, "nets.py")}:${source.line}: ` : ""}${message}`;
}

describe.skipIf(python === undefined)("models of Python files", () => {
  it(
    "have their parameters, layers and operations on the file's lines",
    async () => {
      const read: (readonly string[])[] = [];
      const model = await load(`${nets}#Net(width=4, classes=2)`, ["x=N,3,6,6"], {
        onRead: (files) => read.push(files),
      });
      expect(model).toMatchObject({
        file: nets,
        export: "Net(width=4, classes=2)",
        format: "torch-code",
        framework: "PyTorch 2.13.0",
      });
      expect(model.source).toEqual({ file: nets, line: lineOf("class Net("), column: 7 });
      expect(model.inputs).toEqual([{ name: "x", shape: [3, 6, 6], dtype: "float32" }]);
      expect(model.outputs.map(({ shape }) => shape)).toEqual([[2]]);
      expect(model.batch).toEqual({ coupled: false });
      expect(model.notes).toBeUndefined();
      expect(model.parameters.map(({ name, source }) => [name, source?.file, source?.line])).toEqual(
        ["conv", "norm", "head"].flatMap((layer) =>
          ["weight", "bias"].map((name) => [
            `${layer}.${name}`,
            nets,
            lineOf(layer === "head" ? "self.head(y)" : "self.conv(x)"),
          ]),
        ),
      );
      expect(model.layers.map(({ name, kind }) => [name, kind])).toEqual([
        ["conv", "Conv2d"],
        ["norm", "BatchNorm2d"],
        ["head", "Linear"],
      ]);
      const helper = join(dirname(nets), "helper.py");
      expect(model.files).toEqual([nets, helper]);
      expect(read).toEqual([[nets], [nets, helper]]);
      const places = new Set(
        model.graph.equations.flatMap(({ source }) => (source ? `${source.file}:${source.line}` : [])),
      );
      expect([...places].sort()).toEqual(
        [`${helper}:5`, ...["self.conv(x)", "y.mean(", "self.head(y)"].map((text) => `${nets}:${lineOf(text)}`)].sort(),
      );
      // What is drawn at random is the same again
      const again = await load(`${nets}#Net(width=4, classes=2)`, ["x=N,3,6,6"]);
      expect(again.weights["conv.weight"]).toEqual(model.weights["conv.weight"]);
    },
    TIMEOUT,
  );

  it(
    "may be made by a function of a package, with indices among the inputs",
    async () => {
      write("project/pyproject.toml", "");
      write("project/own/__init__.py", "");
      write("project/own/parts.py", "from torch import nn\nclass Table(nn.Embedding): pass\n");
      const file = write(
        "project/own/model.py",
        [
          "from torch import nn",
          "from own import parts",
          "from .parts import Table",
          "class Two(nn.Module):",
          "    def __init__(self, size):",
          "        super().__init__()",
          "        self.table = Table(10, size)",
          "    def forward(self, ids, input, scale=None):",
          "        y = self.table(ids).mean(1) + input",
          "        return y if scale is None else y * scale",
          "def make():",
          "    return Two(4)",
        ].join("\n"),
      );
      const model = await load(file, ["input=N,4", "ids=N,5:int32"]);
      expect(model.export).toBe("make");
      expect(model.source).toEqual({ file, line: 11, column: 5 });
      expect(model.inputs).toEqual([
        { name: "ids", shape: [5], dtype: "int32" },
        { name: "input", shape: [4], dtype: "float32" },
      ]);
      expect(model.files.map((each) => each.slice(folder.length + 1))).toEqual([
        "project/own/model.py",
        "project/own/__init__.py",
        "project/own/parts.py",
      ]);
    },
    TIMEOUT,
  );

  it(
    "that take the number of examples for a constant are read for one, which is said",
    async () => {
      const model = await load(`${nets}#Sized`, ["x=N,4"]);
      expect(model.batch).toEqual({ coupled: false });
      expect(model.inputs[0].shape).toEqual([4]);
      expect(model.notes).toEqual([
        "the model was exported for one example, since torch.export could not leave the number of examples open " +
          "(the code takes it for the constant 2): examples are taken to be independent",
      ]);
    },
    TIMEOUT,
  );

  const wrong: [string, string, string[], (file: string) => string][] = [
    [
      "values decide what runs",
      `${nets}#Branching`,
      ["x=N,4"],
      () =>
        `nets.py:${lineOf("if x.sum() > 0")}: what runs here depends on the values of tensors (Could not guard on data-dependent expression Eq(u0, 1)), which torch.export cannot follow; use torch.where, or decide it without tensors`,
    ],
    [
      "the constructor fails",
      `${nets}#Failing`,
      ["x=N,4"],
      () =>
        `nets.py:${lineOf('"two"')}: the constructor raised TypeError: empty(): argument 'size' (position 1) must be tuple of ints, but found element of type str at pos 0; correct the line, or the arguments in #Failing`,
    ],
    [
      "forward fails",
      `${nets}#made`,
      ["x=N,3,4,5,6"],
      () =>
        `nets.py:${lineOf("self.conv(x)")}: forward, with x of shape [2, 3, 4, 5, 6], raised RuntimeError: Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [2, 3, 4, 5, 6]; correct the line, or --input`,
    ],
    [
      "an input's shape is missing",
      nets,
      [],
      () =>
        `nets.py:${lineOf("def forward(self, x)")}: the shape of x is not known; add --input x=N,SHAPE, such as x=N,3,32,32 (N is the batch axis)`,
    ],
    [
      "an input is none",
      nets,
      ["y=N,3"],
      () => `nets.py:${lineOf("def forward(self, x)")}: the model has no input y: forward takes x; correct --input`,
    ],
    [
      "arguments are missing",
      `${nets}#make_net`,
      [],
      () =>
        `nets.py:${lineOf("def make_net")}: make_net cannot be called so (missing a required argument: 'width'); write its arguments, as in nets.py#make_net(16, depth=2)`,
    ],
    [
      "the name is none",
      `${nets}#Nett`,
      [],
      () => "nets.py:1: the file has no Nett; its models are Net, Sized, Branching, Failing, made",
    ],
  ];
  it.each(wrong)(
    "are refused where %s",
    async (_, what, inputs, message) => {
      expect(await refused(what, inputs)).toBe(message(nets));
    },
    TIMEOUT,
  );

  it("are to be named where there are several, or none; no Python is started", async () => {
    const python = "/no/such/python";
    const several = write(
      "several.py",
      "from torch import nn\nclass A(nn.Module):\n  def __init__(self, n, m=2): ...\nclass B(nn.Module): pass\n",
    );
    expect(await refused(several, [], { python })).toBe(
      "several.py:1: there are several models here; name one, as in several.py#A: A(n, m?) (line 2), B() (line 4)",
    );
    expect(await refused(write("none.py", "x = 1\n"), [], { python })).toBe(
      "none.py:1: no torch.nn.Module is defined or made here; name what makes one, as in none.py#make_model(16)",
    );
    expect(await refused(several + "#A(1)", [], { python })).toBe(
      `${python} cannot be started (spawn ${python} ENOENT); give the Python that has PyTorch with --python`,
    );
  });

  describe("with another PyTorch", () => {
    const { PYTHONPATH } = process.env;
    afterEach(() => {
      if (PYTHONPATH === undefined) delete process.env.PYTHONPATH;
      else process.env.PYTHONPATH = PYTHONPATH;
    });
    const net = write("net.py", "from torch import nn\nnet = nn.Linear(2, 2)\n");

    it("that is too old are refused", async () => {
      write("old/torch/__init__.py", '__version__ = "2.3.1+cu121"\n');
      process.env.PYTHONPATH = join(folder, "old");
      expect(await refused(net, ["input=N,2"])).toBe(
        `PyTorch 2.3.1+cu121 of ${python} is too old to export models from; install 2.4 or later there, or give another Python with --python`,
      );
    });

    /** As much of PyTorch as is needed until a file is imported, which takes no time. */
    function quickly(): void {
      write("quick/torch/__init__.py", '__version__ = "2.13.0"\ndef manual_seed(seed): ...\nfrom . import nn\n');
      write("quick/torch/nn.py", "class Module: ...\n");
      process.env.PYTHONPATH = join(folder, "quick");
    }

    it("files are refused where their time is over, with the line that runs", async () => {
      quickly();
      const file = write("endless.py", "from torch import nn\nclass Net(nn.Module): ...\nwhile True:\n    pass\n");
      const start = performance.now();
      expect(await refused(file, [], { timeLimit: 6 })).toMatch(
        /^endless\.py:[34]: the model was not evaluated within 6 s; look for an endless loop here, or raise --time-limit$/,
      );
      expect(performance.now() - start).toBeLessThan(12_000);
    });

    it("files are refused where they cannot be imported", async () => {
      quickly();
      const net = "from torch import nn\nclass Net(nn.Module):\n";
      expect(await refused(write("broken.py", `${net}    def forward(self, x)\n        return x\n`))).toMatch(
        /^broken\.py:3: this is no Python that Python 3\.\d+ understands \(expected ':'\); correct the line$/,
      );
      expect(await refused(write("lacking.py", `${net}    import no_such_module\n`))).toBe(
        `lacking.py:3: there is no module no_such_module in ${python}; install it there, or give another Python with --python`,
      );
      expect(await refused(write("ending.py", `${net}    pass\nexit(1)\n`))).toBe(
        'ending.py:4: the file ends the process when it is imported; put this behind if __name__ == "__main__"',
      );
      expect(await refused(write("raising.py", `${net}    width = 1 / 0\n`))).toBe(
        "raising.py:3: importing the file raised ZeroDivisionError: division by zero; correct the line, or put it behind if __name__ == '__main__'",
      );
      expect(await refused(`${write("killed.py", `${net}    pass\nimport os\nos._exit(3)\n`)}#Net`)).toBe(
        `${python} ended without a result (exit code 3); take out what ends it, or give another Python with --python`,
      );
    });

    it("that is missing are refused", async () => {
      write("without/torch/__init__.py", "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n");
      process.env.PYTHONPATH = join(folder, "without");
      expect(await refused(net, ["input=N,2"])).toBe(
        `${python} has no PyTorch; install it with pip install torch, or give the Python that has it with --python`,
      );
    });
  });
});
