import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../sidecar/engines/engine";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime/index";
import { createReferenceEngine } from "../../sidecar/engines/reference/index";
import { createTensorFlowEngine, createTfjsEngine } from "../../sidecar/engines/tensorflow/index";
import type { Tensor } from "../../sidecar/graph/tensor";
import { tfjsNode } from "../tools";
import { evaluateCase, expectClose } from "./agree";
import { primitiveCases } from "./cases";

interface Candidate {
  readonly name: string;
  readonly create: () => Engine | Promise<Engine>;
  /** Whether this machine has what it takes. */
  readonly present: boolean;
  /** Cases in which this engine gives another answer, by name, with the reason. */
  readonly exceptions: Readonly<Record<string, string>>;
}

const candidates: Candidate[] = [
  { name: "onnxruntime", create: () => createOnnxruntimeEngine(), present: true, exceptions: {} },
  {
    name: "tensorflow, on TensorFlow.js's cpu backend",
    create: () => createTfjsEngine(tf, "cpu", "CPU"),
    present: true,
    exceptions: {},
  },
  {
    name: "tensorflow",
    create: () => createTensorFlowEngine({ packageDir: tfjsNode ?? "" }),
    present: tfjsNode !== undefined,
    exceptions: {},
  },
];

const cases = primitiveCases();
const reference = createReferenceEngine();

describe.each(candidates.map((each) => [each.name, each] as const))(
  "%s agrees with the reference",
  (_name, { create, present, exceptions }) => {
    describe.skipIf(!present)("on", () => {
      let engine: Engine;

      beforeAll(async () => {
        engine = await create();
      });

      afterAll(() => engine.dispose());

      test.each(cases.map((each) => [each.name, each] as const))("%s", async (_name, primitiveCase) => {
        const compare = async (): Promise<void> => {
          expect(engine.supports(primitiveCase.graph)).toEqual([]);
          const expected: Tensor[] = await evaluateCase(reference, primitiveCase);
          const actual = await evaluateCase(engine, primitiveCase);
          expect(actual.length).toBe(expected.length);
          actual.forEach((result, index) => {
            expectClose(result, expected[index]);
          });
        };
        // An exception that is none any more must be taken off the list
        if (primitiveCase.name in exceptions) await expect(compare()).rejects.toThrow();
        else await compare();
      });

      test("lists as exceptions only cases that there are", () => {
        const names = new Set(cases.map(({ name }) => name));
        expect(Object.keys(exceptions).filter((name) => !names.has(name))).toEqual([]);
      });
    });
  },
);
