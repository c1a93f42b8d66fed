import type * as jax from "@jax-js/jax";
import { contend } from "./lib/measure";

/**
 * A Jacobian with jax-js, on its wasm device, the only one it has in Node for this. Its `jacrev` takes a single vector, so
 * the Jacobian is the gradient of <c, f(parameters, x)>, vectorised over examples x and over unit vectors c.
 */

type Layer = [weights: jax.Array, bias: jax.Array];

interface Net {
  readonly layers: Layer[];
  readonly input: number[];
  readonly outputs: number;
  readonly call: (layers: Layer[], x: jax.Array) => jax.Array;
}

type Nets = Record<string, ((library: typeof jax) => Net) | undefined>;

const nets: Nets = {
  mlp: ({ numpy: np, nn, random }) => {
    const sizes = [784, 512, 512, 10];
    const layers = sizes.slice(1).map((size, index): Layer => {
      return [random.normal(random.key(index), [sizes[index], size]).mul(0.05), np.zeros([size])];
    });
    const call = (parameters: Layer[], x: jax.Array): jax.Array =>
      parameters.reduce((y, [weights, bias], index) => {
        const sum = np.dot(y, weights).add(bias);
        return index < parameters.length - 1 ? nn.relu(sum) : sum;
      }, x);
    return { layers, input: [784], outputs: 10, call };
  },

  cnn: ({ numpy: np, nn, lax, random }) => {
    const shapes = [
      [32, 3, 3, 3],
      [32, 32, 3, 3],
      [32, 32, 3, 3],
      [32 * 26 * 26, 10],
    ];
    const layers = shapes.map((shape, index): Layer => {
      const weights = random.normal(random.key(index), shape).mul(0.05);
      return [weights, np.zeros(shape.length === 4 ? [shape[0], 1, 1] : [shape[1]])];
    });
    const call = (parameters: Layer[], x: jax.Array): jax.Array => {
      const image = parameters.slice(0, 3).reduce(
        (y, [kernel, bias], index) => {
          const sum = lax.conv(y, kernel, [1, 1], "VALID").add(bias);
          return index < 2 ? nn.relu(sum) : sum;
        },
        x.reshape([1, 3, 32, 32]),
      );
      const [weights, bias] = parameters[3];
      return np.dot(image.reshape([32 * 26 * 26]), weights).add(bias);
    };
    return { layers, input: [3, 32, 32], outputs: 10, call };
  },
};

void contend(async ({ case: name, batch }) => {
  // Node 20 has no navigator, which it looks at when it is loaded
  (globalThis as { navigator?: object }).navigator ??= {};
  const library = await import("@jax-js/jax");
  const { init, defaultDevice, numpy: np, random, grad, vmap, blockUntilReady } = library;
  await init();
  defaultDevice("wasm");
  const make = nets[name];
  if (!make) throw new Error(`no net ${name} is written for jax-js`);
  const { layers, input, outputs, call } = make(library);
  const x = random.normal(random.key(99), [batch, ...input]);

  const weighted = (parameters: Layer[], example: jax.Array, cotangent: jax.Array): jax.Array =>
    np.sum(call(parameters, example).mul(cotangent));
  const jacobian = vmap(vmap(grad(weighted), [null, 0, null]), [null, null, 0]) as typeof weighted extends (
    ...args: infer A
  ) => unknown
    ? (...args: A) => Layer[]
    : never;
  return async () => {
    const again = layers.map(([weights, bias]): Layer => [weights.ref, bias.ref]);
    const blocks = jacobian(again, x.ref, np.eye(outputs)).flat();
    await blockUntilReady(blocks);
    const elements = blocks.reduce((sum, { size }) => sum + size, 0);
    for (const block of blocks) block.dispose();
    return { elements };
  };
});
