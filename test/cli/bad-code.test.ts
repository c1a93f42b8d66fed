import { describe, expect, it } from "vitest";
import { kernelscope, temporaryFolder } from "./kernelscope";

/**
 * Whatever a model's code does, the command says in one line what is wrong and where, soon, and leaves no process behind.
 */

const { write } = temporaryFolder();

interface BadCode {
  readonly what: string;
  /** Follows a first line that imports TensorFlow.js. */
  readonly code: string;
  readonly options?: readonly string[];
  /** 0: no line is known. */
  readonly line: number;
  readonly says: RegExp;
}

const short = ["--time-limit", "2"];
const input = ["--input", "x=N,3"];
const dense = "tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] })";

const cases: readonly BadCode[] = [
  { what: "a syntax error", code: "const a = ;", line: 2, says: /Unexpected ";"/ },
  { what: "an error", code: "\nthrow new Error('no\\ndata');", line: 3, says: /no data/ },
  {
    what: "an error of a timer",
    code: "setTimeout(() => {\n  throw new Error('late');\n}, 0);\nawait new Promise((r) => setTimeout(r, 9000));",
    line: 3,
    says: /late/,
  },
  {
    what: "a promise that is rejected and forgotten",
    code: "Promise.reject(new Error('alone'));\nawait new Promise((r) => setTimeout(r, 9000));",
    line: 2,
    says: /alone/,
  },
  { what: "process.exit, within try", code: "try {\n  process.exit(0);\n} catch {}", line: 3, says: /process\.exit/ },
  { what: "process.abort", code: "process.abort();", line: 2, says: /process\.abort/ },
  { what: "process.kill", code: "process.kill(process.pid);", line: 2, says: /process\.kill/ },
  {
    what: "a crash",
    code: "import { execSync } from 'node:child_process';\nexecSync(`kill -SEGV ${process.pid}`);\nfor (;;);",
    line: 0,
    says: /crashed .*SIGSEGV/,
  },
  { what: "an error that is none", code: "throw { reason: 'odd' };", line: 1, says: /odd/ },
  { what: "an error that has no text", code: "throw Object.create(null);", line: 1, says: /no text/ },
  { what: "a result that it forges", code: "process.send!({ kind: 'done', result: {} });", line: 2, says: /process/ },
  {
    what: "an endless loop",
    code: "let i = 0;\nfunction spin() {\n  for (;;) i++;\n}\nspin();",
    options: short,
    line: 4,
    says: /not evaluated within 2 s.*this line is still running/,
  },
  {
    what: "an endless loop in the model's function",
    code: "export function f(x: tf.Tensor) {\n  while (x) {}\n  return x;\n}",
    options: [...short, ...input],
    line: 3,
    says: /not evaluated within 2 s/,
  },
  {
    what: "an endless loop beside a process that it has started",
    code: "import { spawn } from 'node:child_process';\nspawn('sleep', ['600']);\nfor (;;);",
    options: short,
    line: 4,
    says: /not evaluated within 2 s/,
  },
  {
    what: "a promise that is never kept",
    code: "await new Promise(() => {});",
    options: short,
    line: 0,
    says: /not evaluated within 2 s.*promise/,
  },
  {
    what: "a heap that grows without end",
    code: "const a: object[] = [];\nfor (;;) a.push({ a, b: [a] });",
    options: ["--code-memory", "256MiB"],
    line: 3,
    says: /more than the \d+ MiB of heap/,
  },
  {
    what: "a heap that grows, and a breakpoint",
    code: "const a: object[] = [];\nfor (let i = 0; ; i++) (a.push({ a, b: [a] }), i % 1e5 ? 0 : pause());\nfunction pause() {\n  debugger;\n}",
    options: ["--code-memory", "256MiB"],
    line: 3,
    says: /more than the \d+ MiB of heap/,
  },
  {
    what: "a heap that is full at one stroke",
    code: "export const a = JSON.parse('[' + '{},'.repeat(3e7) + '1]');",
    options: ["--code-memory", "256MiB"],
    line: 0,
    says: /more than the 256 MiB of heap/,
  },
  {
    what: "one array of 4 GB",
    code: "const a = 1;\nexport const b = new Float32Array(2 ** 30);",
    line: 3,
    says: /allocates 4\.00 GiB, more than the 2\.00 GiB/,
  },
  {
    what: "a tensor of 4 GB",
    code: "export const b = tf.zeros([32768, 32768]);",
    line: 2,
    says: /allocates 4\.00 GiB/,
  },
  { what: "a Buffer of 4 GB", code: "export const b = Buffer.alloc(2 ** 32);", line: 2, says: /allocates 4\.00 GiB/ },
  {
    what: "arrays of 4 GB in all",
    code: "const all: Uint8Array[] = [];\nfor (let i = 0; i < 400; i++)\n  all.push(new Uint8Array(1e7));",
    options: ["--code-memory", "256MiB"],
    line: 4,
    says: /more than the 256\.00 MiB/,
  },
  { what: "no model", code: "export const a = 1;", line: 1, says: /no model/ },
  {
    what: "several models",
    code: `export const first = ${dense};\nexport const second = ${dense};`,
    line: 2,
    says: /first.*second/,
  },
  {
    what: "values that are read while it is traced",
    code: "export function f(x: tf.Tensor) {\n  return x.mul(x.dataSync()[0]);\n}",
    options: input,
    line: 3,
    says: /reads the values of a tensor/,
  },
  { what: "an import that is not there", code: 'import "./nothing";', line: 2, says: /Could not resolve/ },
];

describe("code with", () => {
  it.each(cases.map((each, index) => ({ ...each, name: `bad${index}.ts` })))(
    "$what",
    async ({ name, code, options = [], line, says }) => {
      const file = write(name, `import * as tf from "@tensorflow/tfjs";\n${code}\n`);
      const { status, out, err, seconds, left } = await kernelscope(["analyze", file, ...options]);
      expect(err.trimEnd().split("\n")).toHaveLength(1);
      expect(err).toMatch(says);
      expect(err.startsWith(line === 0 ? `${file}: ` : `${file}:${line}: `), err).toBe(true);
      expect(out).toBe("");
      expect(status).toBe(1);
      expect(left).toEqual([]);
      expect(seconds).toBeLessThan(15);
    },
  );
});

describe("code that only looks bad:", () => {
  it.skipIf(process.platform === "win32")("it starts a process of its own, which holds on to our output", async () => {
    const file = write(
      "service.ts",
      `import * as tf from "@tensorflow/tfjs";
import { spawn } from "node:child_process";
spawn("sleep", ["20"], { detached: true, stdio: "inherit" }).unref();
export const model = ${dense};
`,
    );
    const { status, out, seconds } = await kernelscope(["analyze", file, "--json"]);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ batch: 1 });
    expect(seconds).toBeLessThan(15);
  });

  it("much that it allocates is garbage, and what it prints is no result", async () => {
    const file = write(
      "garbage.ts",
      `import * as tf from "@tensorflow/tfjs";
for (let i = 0; i < 100; i++) if (new Uint8Array(2e7).constructor !== Uint8Array) throw new Error("not the same");
console.log("printed");
process.stdout.write("written");
export const model = ${dense};
`,
    );
    const { status, out, err } = await kernelscope(["analyze", file, "--json", "--code-memory", "256MiB"]);
    expect(status).toBe(0);
    expect(err).toBe("printed\nwritten\n");
    expect(JSON.parse(out)).toMatchObject({ batch: 1 });
  });
});
