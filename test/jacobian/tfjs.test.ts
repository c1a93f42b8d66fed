import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import { sizeOf } from "../../sidecar/graph/types";
import { difference } from "../laws";
import * as models from "./nets";
import { BATCH, jacobianOf, loadNet, nets, type Loaded } from "./whole-nets";

/**
 * Jacobians of whole networks equal TensorFlow.js's own gradients: those of one output of one example after the other, on
 * its cpu backend, of the same networks imported as modules.
 */

type Function = (...inputs: tf.Tensor[]) => tf.Tensor;

/** A network as TensorFlow.js sees it: what it computes, and its trainable variables by the names that we give them. */
interface Own {
  readonly call: Function;
  readonly variables: ReadonlyMap<string, tf.Variable>;
}

function variableOf(weight: tf.LayerVariable): tf.Variable {
  return (weight as unknown as { val: tf.Variable }).val;
}

function own(name: string, wrt: readonly string[]): Own {
  if (name === "grouped" || name === "attention") {
    const { registeredVariables } = tf.engine();
    return {
      call: models[name] as Function,
      variables: new Map(wrt.map((parameter) => [parameter, registeredVariables[parameter]])),
    };
  }
  const model = (models[name as keyof typeof models] as () => tf.LayersModel)();
  return {
    call: (...inputs) => model.apply(inputs.length === 1 ? inputs[0] : inputs, { training: false }) as tf.Tensor,
    variables: new Map(model.trainableWeights.map((weight) => [weight.originalName, variableOf(weight)])),
  };
}

/** The rows of one example: [output, ...parameter], in the order of `wrt`. */
function rowsOf({ call, variables }: Own, example: tf.Tensor[], wrt: readonly string[]): number[][] {
  const list = wrt.map((name) => variables.get(name)!);
  const outputs = tf.tidy(() => call(...example).size);
  const rows: number[][] = wrt.map(() => []);
  for (let output = 0; output < outputs; output++) {
    tf.tidy(() => {
      const element = (): tf.Scalar => tf.slice(tf.reshape(call(...example), [-1]), output, 1).asScalar();
      const { grads } = tf.variableGrads(element, list);
      list.forEach((variable, index) => {
        const gradient = grads[variable.name] as tf.Tensor | null;
        // None: the output does not depend on this variable
        rows[index].push(...(gradient ? gradient.dataSync() : new Float32Array(variable.size)));
      });
    });
  }
  return rows;
}

/** Runs `body` on TensorFlow.js's cpu backend, then goes back to the one that traces. */
async function onCpu<T>(body: () => T): Promise<T> {
  const before = tf.getBackend();
  await tf.setBackend("cpu");
  try {
    return body();
  } finally {
    await tf.setBackend(before);
  }
}

function exampleOf({ shape, dtype, data }: Tensor, index: number): tf.Tensor {
  const [, ...rest] = shape;
  const size = sizeOf(rest);
  const elements = data.slice(index * size, (index + 1) * size) as Float32Array;
  return tf.tensor(elements, [1, ...rest], dtype as "float32");
}

// That one is made of what TensorFlow.js cannot differentiate.
const differentiable = nets.filter(({ name }) => name !== "padded");

describe.each(differentiable.map((net) => ({ net, name: net.name })))("the Jacobian of $name", ({ net, name }) => {
  let loaded: Loaded;
  let expected: Tensor[] = [];

  beforeAll(async () => {
    loaded = await loadNet(net);
    const { model, inputs, wrt } = loaded;
    const itself = own(name, wrt);
    const examples = await onCpu(() =>
      Array.from({ length: BATCH }, (_, n) =>
        rowsOf(
          itself,
          inputs.map((input) => exampleOf(input, n)),
          wrt,
        ),
      ),
    );
    expected = wrt.map((parameter, index) =>
      tensor(
        [BATCH, ...model.outputs[0].shape, ...model.weights[parameter].shape],
        "float32",
        Float32Array.from(examples.flatMap((rows) => rows[index])),
      ),
    );
  });

  it("has the trainable variables that TensorFlow.js knows", () => {
    const { variables } = own(name, loaded.wrt);
    expect([...variables.keys()]).toEqual(loaded.wrt);
    for (const [parameter, variable] of variables) {
      expect(Array.from(variable.dataSync()), parameter).toEqual(Array.from(loaded.model.weights[parameter].data));
    }
  });

  it.each([
    { engine: "reference", create: () => createReferenceEngine({ precision: 32 }) },
    { engine: "onnxruntime", create: () => createOnnxruntimeEngine() },
  ])("is TensorFlow.js's own on $engine", async ({ create }) => {
    const blocks = await jacobianOf(loaded, await create());
    loaded.wrt.forEach((parameter, index) => {
      expect(difference([blocks.get(parameter)!], [expected[index]]), parameter).toBeLessThan(1e-5);
    });
  });
});

describe("what is not a parameter", () => {
  it("moving averages are buffers", async () => {
    const { model, wrt } = await loadNet(nets.find(({ name }) => name === "residual")!);
    const moving = Object.keys(model.weights).filter((name) => name.includes("moving"));
    expect(moving).toHaveLength(12);
    expect(model.graph.buffers.map(({ name }) => name)).toEqual(moving);
    expect(model.parameters.filter(({ name }) => name.includes("moving"))).toEqual([]);
    expect(wrt).toHaveLength(20);
  });

  it("frozen layers and variables are shown and left out", async () => {
    const frozen = async (wanted: string): Promise<string[]> => {
      const { model } = await loadNet(nets.find(({ name }) => name === wanted)!);
      return model.parameters.filter(({ trainable }) => !trainable).map(({ name }) => name);
    };
    expect(await frozen("mlp")).toEqual(["second/kernel", "second/bias"]);
    expect(await frozen("attention")).toEqual(["temperature"]);
  });
});
