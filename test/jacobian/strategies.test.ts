import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../sidecar/engines/engine";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { createTensorFlowEngine } from "../../sidecar/engines/tensorflow";
import { difference } from "../laws";
import { tfjsNode } from "../tools";
import { jacobianOf, loadNet, nets, type Blocks, type Loaded, type Way } from "./whole-nets";

/** Every strategy, whole and in chunks, computes the same Jacobian on every engine. */

const ways: Way[] = [
  { strategy: "vmap(jacrev)" },
  { strategy: "vmap(jacrev)", chunk: 2 },
  { strategy: "jacrev" },
  { strategy: "jacrev", chunk: 2 },
  { strategy: "vmap(jacfwd)" },
  { strategy: "vmap(jacfwd)", chunk: 7 },
  { strategy: "grad-loop" },
];

const engines: { name: string; present: boolean; create: () => Engine | Promise<Engine> }[] = [
  { name: "reference", present: true, create: () => createReferenceEngine({ precision: 32 }) },
  { name: "onnxruntime", present: true, create: () => createOnnxruntimeEngine() },
  {
    name: "tensorflow",
    present: tfjsNode !== undefined,
    create: () => createTensorFlowEngine({ packageDir: tfjsNode ?? "" }),
  },
];

const chosen = nets.filter(({ name }) => ["cnn", "attention", "gru"].includes(name));

describe("strategies", () => {
  const cases = new Map<string, { loaded: Loaded; expected: Blocks }>();

  // All nets come before any engine, as in the worker: a native TensorFlow.js makes itself the active backend when it is
  // loaded, and then nothing is traced any more.
  beforeAll(async () => {
    for (const net of chosen) {
      const loaded = await loadNet(net);
      cases.set(net.name, { loaded, expected: await jacobianOf(loaded, createReferenceEngine()) });
    }
  });

  describe.each(engines)("on $name", ({ present, create }) => {
    describe.skipIf(!present)("agree", () => {
      let engine: Engine;
      beforeAll(async () => {
        engine = await create();
      });
      afterAll(() => engine.dispose());

      const named = chosen.flatMap(({ name: net }) =>
        ways.map((way) => ({ net, way, name: `${net}, ${way.strategy}${way.chunk ? `, chunk ${way.chunk}` : ""}` })),
      );
      it.each(named)("$name", async ({ net, way }) => {
        const { loaded, expected } = cases.get(net)!;
        const blocks = await jacobianOf(loaded, engine, way);
        expect([...blocks.keys()]).toEqual([...expected.keys()]);
        for (const [parameter, block] of expected) {
          expect(difference([blocks.get(parameter)!], [block]), parameter).toBeLessThan(1e-5);
        }
      });
    });
  });
});
