import { beforeAll, describe, expect, it } from "vitest";
import { argumentsOf } from "../../sidecar/graph/graph";
import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import { sizeOf } from "../../sidecar/graph/types";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { vmap } from "../../sidecar/transforms";
import { difference, evaluate } from "../laws";
import { generator } from "../../sidecar/sources/random";
import { jacobianOf, loadCoupled, loadNet, nets, type Loaded } from "./whole-nets";

/**
 * Jacobians of whole networks against central finite differences in 64 bits. Each parameter is moved along random
 * directions: a wrong element of its block shows along almost every one of them.
 */

const DIRECTIONS = 2;
const STEP = 1e-6;

/** A block [N, ...output, ...parameter] times a direction in the space of the parameter. */
function along(block: Tensor, direction: Tensor): Tensor {
  const columns = direction.data.length;
  const data = new Float64Array(block.data.length / columns);
  for (let row = 0; row < data.length; row++) {
    for (let i = 0; i < columns; i++) data[row] += block.data[row * columns + i] * direction.data[i];
  }
  return tensor(block.shape.slice(0, block.shape.length - direction.shape.length), "float64", data);
}

/** The change of the outputs for a step of 1 along the direction, from two small steps around the weights. */
async function slope({ model, inputs }: Loaded, parameter: string, direction: Tensor): Promise<Tensor> {
  const { graph, batch, weights } = model;
  const axes = new Map(graph.inputs.map(({ value }) => [value, 0]));
  const whole = batch.coupled ? graph : vmap(graph, axes, inputs[0].shape[0]);
  const at = async (step: number): Promise<Tensor> => {
    const values = argumentsOf(graph).map(({ name }, index) => {
      if (index < inputs.length) return inputs[index];
      if (name !== parameter) return weights[name];
      const moved = Float64Array.from(weights[name].data, (x, i) => x + step * direction.data[i]);
      return tensor(direction.shape, "float64", moved);
    });
    return (await evaluate(whole, values))[0];
  };
  const [plus, minus] = [await at(STEP), await at(-STEP)];
  const data = Float64Array.from(plus.data, (x: number, i: number) => (x - minus.data[i]) / (2 * STEP));
  return tensor(plus.shape, "float64", data);
}

describe.each([
  ...nets.map((net) => ({ name: net.name, load: () => loadNet(net) })),
  { name: "coupled", load: loadCoupled },
])(
  // prettier-ignore
  "the Jacobian of $name",
  ({ load }) => {
    let net: Loaded;
    beforeAll(async () => {
      net = await load();
    });

    it("is the slope along every parameter", async () => {
      const random = generator(5);
      for (const [parameter, block] of await jacobianOf(net, createReferenceEngine())) {
        const { shape } = net.model.weights[parameter];
        for (let count = 0; count < DIRECTIONS; count++) {
          const data = Float64Array.from({ length: sizeOf(shape) }, () => 2 * random() - 1);
          const direction = tensor(shape, "float64", data);
          const expected = await slope(net, parameter, direction);
          expect(difference([along(block, direction)], [expected]), parameter).toBeLessThan(1e-7);
        }
      }
    });
  },
);
