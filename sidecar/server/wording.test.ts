import { describe, expect, it } from "vitest";
import { faultCode, faultForEditor, type FaultCode } from "./wording";

const PATH = "/models/net.ts";

/** What sources and worker say, and what the editor makes of it. */
const cases: readonly [said: string, shown: string, code: FaultCode][] = [
  [
    "the shape of the input x is open ([N,?,3]); add --input x=N,EXTENT1,3",
    "The shape of the input x is open ([N,?,3]); set the input shape x=N,EXTENT1,3",
    "input-shape",
  ],
  [
    "the shape of the parameter x of the function f is not known; add --input x=N,SHAPE, where N marks the batch axis",
    "The shape of the parameter x of the function f is not known; set the input shape x=N,SHAPE, where N marks the batch axis",
    "input-shape",
  ],
  [
    "the input x has no batch axis; leave out the N in --input x",
    "The input x has no batch axis; leave out the N in the input shape of x",
    "input-shape",
  ],
  [
    "--input $x:0 has the shape [5] for one example, but the model takes [N,4]",
    "The input shape of $x:0 is [5] for one example, but the model takes [N,4]",
    "input-shape",
  ],
  [
    "the model has no input z: its inputs are x, y; correct --input",
    "The model has no input z: its inputs are x, y; correct the input shapes",
    "input-shape",
  ],
  [
    "--input x=N,a: a is no extent; write it as NAME=SHAPE[:DTYPE]",
    "The input shape of x=N,a: a is no extent; write it as NAME=SHAPE[:DTYPE]",
    "input-shape",
  ],
  ["--input =3: write it as NAME=SHAPE", "The input shape of =3: write it as NAME=SHAPE", "input-shape"],
  [
    `${PATH}: was not evaluated within 3 s; raise --time-limit`,
    "Was not evaluated within 3 s; raise the setting kernelscope.timeLimit",
    "time-limit",
  ],
  [
    "the model was not evaluated within 3 s, and this line is still running; look for an endless loop, or raise --time-limit",
    "The model was not evaluated within 3 s, and this line is still running; look for an endless loop, or raise the setting kernelscope.timeLimit",
    "time-limit",
  ],
  [
    "this allocates 4.00 GiB, more than the 2.00 GiB that all arrays of the model's code may take; make arrays smaller, or raise --code-memory",
    "This allocates 4.00 GiB, more than the 2.00 GiB that all arrays of the model's code may take; make arrays smaller, or raise the setting kernelscope.codeMemory",
    "code-memory",
  ],
  [
    `${PATH}: the model's code needs more than the 1024 MiB of heap that it may use; raise --code-memory`,
    "The model's code needs more than the 1024 MiB of heap that it may use; raise the setting kernelscope.codeMemory",
    "code-memory",
  ],
  [
    `${PATH}: evaluating it crashed the worker process (SIGSEGV); take out what is not needed here`,
    "Evaluating it crashed the worker process (SIGSEGV); take out what is not needed here",
    "model-error",
  ],
  [
    `${PATH}: is no whole ONNX model (it is cut off); export it again`,
    "The file is no whole ONNX model (it is cut off); export it again",
    "model-error",
  ],
  [
    "/usr/bin/python3 has no PyTorch; install it with pip install torch, or give the Python that has it with --python",
    "/usr/bin/python3 has no PyTorch; install it with pip install torch, or choose the Python interpreter that has it",
    "python-interpreter",
  ],
  [
    "PyTorch 2.3.1 of python3 is too old to export models from; install 2.4 or later there, or give another Python with --python",
    "PyTorch 2.3.1 of python3 is too old to export models from; install 2.4 or later there, or choose another Python interpreter",
    "python-interpreter",
  ],
  [
    "/no/python cannot be started (spawn ENOENT); give the Python that has PyTorch with --python",
    "/no/python cannot be started (spawn ENOENT); choose the Python interpreter that has PyTorch",
    "python-interpreter",
  ],
  [
    "the shape of x and ids is not known; add --input x=N,SHAPE --input ids=N,SHAPE, such as x=N,3,32,32 (N is the batch axis)",
    "The shape of x and ids is not known; set the input shape x=N,SHAPE and the input shape ids=N,SHAPE, such as x=N,3,32,32 (N is the batch axis)",
    "input-shape",
  ],
  [
    "forward, with x of shape [2, 3], raised RuntimeError: no; correct the line, or --input",
    "forward, with x of shape [2, 3], raised RuntimeError: no; correct the line, or the input shapes",
    "input-shape",
  ],
  [
    "make_net cannot be called so (missing a required argument: 'width'); write its arguments, as in nets.py#make_net(16, depth=2)",
    "make_net cannot be called so (missing a required argument: 'width'); set its arguments, such as 16, depth=2",
    "model-error",
  ],
  [
    "the constructor raised TypeError: no; correct the line, or the arguments in #Net(width='2')",
    "The constructor raised TypeError: no; correct the line, or the arguments of Net(width='2')",
    "model-error",
  ],
  // Names are as they are
  [
    "kernelscope.timeLimit is 0: give a number of seconds",
    "kernelscope.timeLimit is 0: give a number of seconds",
    "time-limit",
  ],
  ["x is not defined", "x is not defined", "model-error"],
  ["model.add is not a function", "model.add is not a function", "model-error"],
  ["/models/other.ts: is no model file", "/models/other.ts: is no model file", "model-error"],
  ["no data", "No data", "model-error"],
  ["", "", "model-error"],
  // What a user's own error says of shapes is not about our settings
  ["cannot infer the input shape", "Cannot infer the input shape", "model-error"],
];

describe("faults in the editor", () => {
  it.each(cases)("say: %s", (said, shown, code) => {
    const fault = faultForEditor({ fault: "model", message: said, source: null }, PATH);
    expect(fault).toEqual({ fault: "model", message: shown, source: null });
    expect(faultCode(fault)).toBe(code);
  });

  it("keep a path that is not at the beginning, whatever characters it has", () => {
    const path = "/models/(net)+[1].ts";
    const message = (text: string): string =>
      faultForEditor({ fault: "engine", message: text, source: null }, path).message;
    expect(message(`${path}: cannot be read`)).toBe("Cannot be read");
    expect(message(`no ${path}: here`)).toBe(`No ${path}: here`);
  });

  it("names strategies without the options of the command line", () => {
    const said =
      'the strategy jacrev would take 93.05 GiB, and CPU (2 cores) has 20.00 GiB free; use --strategy "jacrev" --chunk 31, which takes 13.54 GiB';
    expect(faultForEditor({ fault: "memory", message: said, source: null }, PATH).message).toBe(
      "The strategy jacrev would take 93.05 GiB, and CPU (2 cores) has 20.00 GiB free; use the strategy jacrev in chunks of 31, which takes 13.54 GiB",
    );
    const whole = 'it would take 1 GiB; use --strategy "grad-loop", which takes 2 MiB';
    expect(faultForEditor({ fault: "memory", message: whole, source: null }, PATH).message).toMatch(
      /use the strategy grad-loop, which takes/,
    );
  });
});
