import { describe, expect, it } from "vitest";
import { analysis, at, FILE, shown } from "../../../test/server/shown";
import type { Diagnostic } from "../../protocol/analysis";
import type { ModelFault } from "../../protocol/messages";
import { codeActions } from "./code-actions";
import { diagnostics } from "./diagnostics";

const fault = (message: string, source: ModelFault["source"] = at(5)): ModelFault => ({
  fault: "model",
  message,
  source,
});

const coupled: Diagnostic = { severity: "warning", code: "coupled-examples", message: "Coupled.", source: at(4) };
const large: Diagnostic = { severity: "warning", code: "result-too-large", message: "Large.", source: null };
const frozen: Diagnostic = { severity: "information", code: "frozen-parameters", message: "Frozen.", source: at(6) };

describe("diagnostics", () => {
  it("show a fault at its place, to the end of the line", () => {
    expect(diagnostics([shown({ fault: fault("No data") })]).get(FILE)).toEqual([
      {
        source: "Kernelscope",
        severity: 1,
        code: "model-error",
        message: "No data",
        range: { start: { line: 4, character: 2 }, end: { line: 4, character: 10_000 } },
        data: { model: { uri: `file://${FILE}`, export: "model" }, takes: [], inputs: [], kind: "model" },
      },
    ]);
  });

  it("show a fault without a place where the model is bound, or at the top", () => {
    const line = (state: Parameters<typeof shown>[0]): number | undefined =>
      diagnostics([shown(state)]).get(FILE)?.[0].range.start.line;
    expect(line({ fault: fault("x", null) })).toBe(1);
    expect(line({ fault: fault("x", null), line: null })).toBe(0);
  });

  it("stand behind the indentation of a line of which nothing but the line is known", () => {
    const character = (column: number): number | undefined =>
      diagnostics([shown({ fault: fault("x", at(5, FILE, column)) })], (path, line) => {
        return path === FILE && line === 5 ? 8 : 0;
      }).get(FILE)?.[0].range.start.character;
    expect([character(1), character(3)]).toEqual([8, 2]);
  });

  it("show a fault in the file in which it is", () => {
    const found = diagnostics([shown({ fault: fault("x", at(7, "/models/layers.ts")) })]);
    expect([...found.keys()]).toEqual(["/models/layers.ts"]);
  });

  it("show no fault whose line has been edited", () => {
    expect(diagnostics([shown({ fault: fault("x") }, { faultMoved: () => null })])).toEqual(new Map());
  });

  it("show what an analysis says, and not where its line has been edited", () => {
    const model = shown({ analysis: analysis({ diagnostics: [coupled, large, frozen] }) });
    const found = diagnostics([model]).get(FILE)!;
    expect(found.map(({ code, severity, range }) => [code, severity, range.start.line])).toEqual([
      ["coupled-examples", 2, 3],
      ["result-too-large", 2, 1],
      ["frozen-parameters", 3, 5],
    ]);
    const edited = shown(model.state, { moved: () => null });
    expect(
      diagnostics([edited])
        .get(FILE)!
        .map(({ code }) => code),
    ).toEqual(["result-too-large"]);
  });

  it("gather those of all models of a file", () => {
    const models = [shown({ fault: fault("x") }), shown({ export: "other", fault: fault("y") })];
    expect(
      diagnostics(models)
        .get(FILE)!
        .map(({ message }) => message),
    ).toEqual(["x", "y"]);
    expect(diagnostics([shown({})])).toEqual(new Map());
  });
});

describe("quick fixes", () => {
  const fixes = (state: Parameters<typeof shown>[0]): string[] =>
    codeActions(diagnostics([shown(state)]).get(FILE) ?? []).map(({ title }) => title);

  it("go by what is wrong", () => {
    expect(fixes({ fault: fault("…; set the input shape x=N,3") })).toEqual([
      "Set the input shapes of model…",
      "Analyze again",
    ]);
    expect(fixes({ fault: fault("…; raise the setting kernelscope.timeLimit") })).toEqual([
      "Raise the time limit of model code…",
      "Analyze again",
    ]);
    expect(fixes({ fault: fault("…; raise the setting kernelscope.codeMemory") })).toEqual([
      "Raise the memory limit of model code…",
      "Analyze again",
    ]);
    expect(fixes({ fault: fault("No data") })).toEqual(["Analyze again"]);
    expect(fixes({ fault: fault("No data"), kind: "factory", takes: ["units"] })).toEqual([
      "Set the arguments of model…",
      "Analyze again",
    ]);
    expect(fixes({ analysis: analysis({ diagnostics: [large] }) })).toEqual([
      "Set the batch size…",
      "Choose another device…",
    ]);
    expect(fixes({ analysis: analysis({ diagnostics: [coupled] }) })).toEqual(["Set the batch size…"]);
    expect(fixes({ analysis: analysis({ diagnostics: [frozen] }) })).toEqual([]);
  });

  it("are commands with the model as argument, the first of them preferred", () => {
    const found = diagnostics([shown({ export: null, fault: fault("set the input shape x=N,3") })]).get(FILE)!;
    const [first, second] = codeActions(found);
    expect(first).toEqual({
      title: "Set the input shapes of the model…",
      kind: "quickfix",
      diagnostics: found,
      isPreferred: true,
      command: {
        title: "Set the input shapes of the model…",
        command: "kernelscope.setInputs",
        arguments: [{ uri: `file://${FILE}`, export: null }],
      },
    });
    expect(second.isPreferred).toBe(false);
  });

  it("are none for others' diagnostics", () => {
    const [own] = diagnostics([shown({ fault: fault("x") })]).get(FILE)!;
    expect(
      codeActions([
        { ...own, source: "ts" },
        { ...own, data: undefined },
      ]),
    ).toEqual([]);
  });
});
