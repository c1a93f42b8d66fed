import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { python } from "../tools";
import { derivativeError } from "./derivative";
import { caseNames, runCase, traceCase, WRITTEN_OUT, type CaseResult } from "./node-cases";
import { notPassing, notSmooth } from "./not-passing";

/**
 * ONNX's own operator tests (onnx.backend.test.case.node) through the source and the reference engine, and a share of
 * them through onnxruntime's. docs/onnx.md has the table; KERNELSCOPE_WRITE_DOCS=1 writes it anew.
 */

const DOCS = "docs/onnx.md";
const [BEGIN, END] = ["<!-- operators -->", "<!-- /operators -->"];

function reasonFor(name: string, among = notPassing): string | null {
  const short = name.replace(/^test_/, "").replace(WRITTEN_OUT, "");
  return among.find(([pattern]) => pattern.test(short))?.[1] ?? null;
}

function table(results: readonly CaseResult[]): string {
  const operators = new Map<string, CaseResult[]>();
  for (const result of results) operators.set(result.operator, [...(operators.get(result.operator) ?? []), result]);
  const rows = [...operators]
    .sort(([p], [q]) => (p < q ? -1 : 1))
    .map(([operator, own]) => {
      const failed = own.filter(({ reason }) => reason !== null);
      const reasons = [...new Set(failed.map(({ name }) => reasonFor(name)))];
      return `| ${operator} | ${own.length} | ${own.length - failed.length} | ${reasons.join("; ")} |`;
    });
  const passed = results.filter(({ reason }) => reason === null).length;
  const total = `| all | ${results.length} | ${passed} (${((100 * passed) / results.length).toFixed(1)} %) | |`;
  return ["| operator | cases | pass | why the others do not |", "| --- | ---: | ---: | --- |", ...rows, total].join(
    "\n",
  );
}

describe.skipIf(python === undefined)("ONNX's operator tests", () => {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-onnx-"));
  const results: CaseResult[] = [];
  afterAll(() => rmSync(folder, { recursive: true }));

  beforeAll(async () => {
    execFileSync(python!, ["test/onnx/export_cases.py", folder], { stdio: ["ignore", "ignore", "pipe"] });
    const engine = createReferenceEngine();
    for (const name of caseNames(folder)) results.push(await runCase(folder, name, engine));
  }, 240_000);

  it("pass, but for those with a reason not to", () => {
    const failed = results.filter(({ reason }) => reason !== null);
    expect(failed.filter(({ name }) => reasonFor(name) === null)).toEqual([]);
    const passed = results.filter(({ name, reason }) => reason === null && reasonFor(name) !== null);
    expect(passed.filter(({ name }) => !WRITTEN_OUT.test(name)).map(({ name }) => name)).toEqual([]);
  });

  it("pass for at least 85 of 100 cases", () => {
    expect(results.length).toBeGreaterThan(1800);
    expect(results.filter(({ reason }) => reason === null).length / results.length).toBeGreaterThan(0.85);
  });

  it("fail with a sentence, never with a fault of ours", () => {
    expect(results.filter(({ reason }) => reason?.startsWith("fault"))).toEqual([]);
  });

  it("have the derivatives that differences of their values have", async () => {
    const engine = createReferenceEngine();
    const wrong: string[] = [];
    let count = 0;
    for (const { name, reason, constants } of results) {
      if (reason !== null || WRITTEN_OUT.test(name) || reasonFor(name, notSmooth) !== null) continue;
      const { graph, values } = traceCase(join(folder, name), constants);
      const error = await derivativeError(graph, values, engine);
      if (error !== null) count++;
      if (error !== null && !(error < 1e-4)) wrong.push(`${name}: ${error}`);
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(700);
  }, 180_000);

  it("pass with onnxruntime as the engine where they do with the reference: one in eight", async () => {
    const engine = await createOnnxruntimeEngine();
    const some = results.filter(({ reason }, index) => reason === null && index % 8 === 0);
    const failed: CaseResult[] = [];
    for (const { name } of some) {
      const result = await runCase(folder, name, engine);
      if (result.reason !== null) failed.push(result);
    }
    await engine.dispose();
    expect(failed).toEqual([]);
  }, 180_000);

  it("are in the table of docs/onnx.md", () => {
    const text = readFileSync(DOCS, "utf8");
    const [before, rest] = text.split(BEGIN);
    const [, after] = rest.split(END);
    const wanted = `${before}${BEGIN}\n\n${table(results)}\n\n${END}${after}`;
    if (process.env.KERNELSCOPE_WRITE_DOCS) writeFileSync(DOCS, wanted);
    else expect(text.replace(/[ -]*\|[ |:-]*/g, "|")).toBe(wanted.replace(/[ -]*\|[ |:-]*/g, "|"));
  });
});
