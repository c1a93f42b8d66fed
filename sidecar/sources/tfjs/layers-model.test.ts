import { describe, expect, it } from "vitest";
import { expectClose, given, integers, opaqueKernels, run, uniform, type Given } from "../../../test/compare-tfjs";
import type { Tensor } from "../../graph/tensor";
import { sizeOf } from "../../graph/types";
import { vjp } from "../../transforms";
import type { Model } from "../model";
import { assembleModel } from "./assemble";
import type { InputOption } from "../inputs";
import { layersModelSubject } from "./layers-model";
import { recordingBackend } from "./runtime";
import { tf } from "./tensorflow";
import { typedArray } from "./trace";

recordingBackend();

const BATCH = 3;

async function load(model: tf.LayersModel, options: readonly InputOption[] = []): Promise<Model> {
  return assembleModel(
    layersModelSubject(model, options),
    { file: "model.ts", export: null, format: "tfjs-code", source: null, files: [] },
    BATCH,
  );
}

/** Weights without zeros and ones, so that nothing that a model computes with them goes unseen. */
function fillWeights(model: tf.LayersModel): void {
  model.setWeights(
    model.weights.map((weight) => {
      const isVariance = weight.originalName.includes("variance");
      const { data } = uniform(weight.shape as number[], isVariance ? 0.5 : -0.6, isVariance ? 2 : 0.6);
      return tf.tensor(data, weight.shape as number[]);
    }),
  );
}

function exampleOf({ shape, dtype, data }: Given, index: number): Tensor {
  const size = sizeOf(shape.slice(1));
  return { shape: shape.slice(1), dtype, data: data.slice(index * size, (index + 1) * size) };
}

/** The graph's results for each example are those of the model's prediction for the batch. */
async function expectSame(layers: tf.LayersModel, inputs: readonly Given[], tolerance = 2e-5): Promise<Model> {
  fillWeights(layers);
  const model = await load(layers);
  expect(model.batch).toEqual({ coupled: false });
  expect(opaqueKernels(model.graph)).toEqual([]);
  const tensors = inputs.map(({ shape, dtype, data }) => tf.tensor(data as Float32Array, [...shape], dtype));
  const predicted = layers.predict(tensors.length === 1 ? tensors[0] : tensors);
  const expected = Array.isArray(predicted) ? predicted : [predicted];
  const { parameters, buffers } = model.graph;
  const weights = [...parameters, ...buffers].map(({ name }) => model.weights[name]);
  for (let index = 0; index < BATCH; index++) {
    const outputs = await run(model.graph, [...inputs.map((input) => exampleOf(input, index)), ...weights]);
    outputs.forEach((output, position) => {
      const [, ...shape] = expected[position].shape;
      expect(output.shape).toEqual(shape);
      const size = sizeOf(shape);
      const data = typedArray(expected[position].dataSync(), output.dtype).slice(index * size, (index + 1) * size);
      expectClose(output.data, data, tolerance);
    });
  }
  return model;
}

type Input = tf.SymbolicTensor;

/** Layers for one input of the given shape of one example. */
function single(shape: number[], ...layers: (() => tf.layers.Layer)[]): tf.LayersModel {
  const input = tf.input({ shape });
  const output = layers.reduce<Input>((x, make) => make().apply(x) as Input, input);
  return tf.model({ inputs: input, outputs: output });
}

type SingleCase = readonly [name: string, shape: number[], make: () => tf.layers.Layer];

const L = tf.layers;
const one = { units: 4 };

const singles: SingleCase[] = [
  ["dense", [5], () => L.dense({ units: 3, activation: "tanh" })],
  ["dense on sequences", [4, 5], () => L.dense({ units: 3, activation: "softplus" })],
  ...(["elu", "hardSigmoid", "linear", "relu", "relu6", "selu", "sigmoid", "softmax", "softplus", "softsign", "tanh", "swish", "mish", "gelu", "gelu_new"] as const).map(
    (activation): SingleCase => [`activation ${activation}`, [7], () => L.activation({ activation })],
  ),
  ["reLU with a maximum", [7], () => L.reLU({ maxValue: 1 })],
  ["leakyReLU", [7], () => L.leakyReLU({ alpha: 0.2 })],
  ["elu", [7], () => L.elu()],
  ["thresholdedReLU", [7], () => L.thresholdedReLU({ theta: 0.4 })],
  ["prelu", [3, 4], () => L.prelu({ sharedAxes: [1] })],
  ["softmax", [3, 4], () => L.softmax({ axis: -1 })],
  ["conv1d", [9, 3], () => L.conv1d({ filters: 4, kernelSize: 3, strides: 2, padding: "same", activation: "relu" })],
  ["conv2d", [7, 6, 3], () => L.conv2d({ filters: 4, kernelSize: [3, 2], strides: 2, activation: "elu" })],
  ["conv2d dilated", [7, 6, 3], () => L.conv2d({ filters: 4, kernelSize: 2, dilationRate: 2, padding: "same" })],
  ["conv2d channels first", [3, 7, 6], () => L.conv2d({ filters: 4, kernelSize: 3, dataFormat: "channelsFirst" })],
  ["conv2dTranspose", [4, 5, 3], () => L.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: "same" })],
  ["conv2dTranspose valid", [4, 5, 3], () => L.conv2dTranspose({ filters: 2, kernelSize: [3, 2], strides: [2, 3] })],
  ["conv3d", [4, 5, 4, 2], () => L.conv3d({ filters: 3, kernelSize: 2, strides: 1, padding: "same" })],
  ["conv3dTranspose", [3, 3, 2, 2], () => L.conv3dTranspose({ filters: 3, kernelSize: 2, strides: 2 })],
  ["separableConv2d", [6, 7, 3], () => L.separableConv2d({ filters: 4, kernelSize: 3, depthMultiplier: 2 })],
  ["depthwiseConv2d", [6, 7, 3], () => L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, strides: 2, padding: "same" })],
  ["cropping2D", [6, 7, 3], () => L.cropping2D({ cropping: [[1, 2], [0, 3]] })],
  ["zeroPadding2d", [3, 4, 2], () => L.zeroPadding2d({ padding: [[1, 2], [0, 3]] })],
  ["upSampling2d nearest", [3, 4, 2], () => L.upSampling2d({ size: [2, 3] })],
  ["upSampling2d bilinear", [3, 4, 2], () => L.upSampling2d({ size: [2, 3], interpolation: "bilinear" })],
  ["rescaling", [5], () => L.rescaling({ scale: 0.5, offset: 1 })],
  ["maxPooling1d", [9, 3], () => L.maxPooling1d({ poolSize: 2, strides: 2 })],
  ["averagePooling1d", [9, 3], () => L.averagePooling1d({ poolSize: 3, strides: 2, padding: "same" })],
  ["maxPooling2d", [7, 6, 3], () => L.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" })],
  ["averagePooling2d", [7, 6, 3], () => L.averagePooling2d({ poolSize: 3, strides: 2, padding: "same" })],
  ["maxPooling3d", [4, 5, 6, 2], () => L.maxPooling3d({ poolSize: 2, strides: 2 })],
  ["averagePooling3d", [4, 5, 6, 2], () => L.averagePooling3d({ poolSize: 2, strides: 2, padding: "same" })],
  ["globalAveragePooling1d", [5, 3], () => L.globalAveragePooling1d({})],
  ["globalAveragePooling2d", [4, 5, 3], () => L.globalAveragePooling2d({})],
  ["globalMaxPooling1d", [5, 3], () => L.globalMaxPooling1d({})],
  ["globalMaxPooling2d", [4, 5, 3], () => L.globalMaxPooling2d({})],
  ["batchNormalization", [4, 5, 3], () => L.batchNormalization({})],
  ["batchNormalization of vectors", [6], () => L.batchNormalization({})],
  ["batchNormalization of sequences", [4, 6], () => L.batchNormalization({ scale: false })],
  ["layerNormalization", [4, 6], () => L.layerNormalization({})],
  ["layerNormalization over axes", [4, 5, 6], () => L.layerNormalization({ axis: [2, 3] })],
  ["flatten", [2, 3, 4], () => L.flatten()],
  ["reshape", [2, 6], () => L.reshape({ targetShape: [3, -1] })],
  ["permute", [2, 3, 4], () => L.permute({ dims: [3, 1, 2] })],
  ["repeatVector", [4], () => L.repeatVector({ n: 3 })],
  ["dropout", [5], () => L.dropout({ rate: 0.5 })],
  ["gaussianNoise", [5], () => L.gaussianNoise({ stddev: 0.5 })],
  ["spatialDropout1d", [5, 2], () => L.spatialDropout1d({ rate: 0.5 })],
  ["simpleRNN", [5, 3], () => L.simpleRNN(one)],
  ["lstm", [5, 3], () => L.lstm(one)],
  ["lstm with sequences", [5, 3], () => L.lstm({ ...one, returnSequences: true, goBackwards: true })],
  ["lstm with hard sigmoid", [5, 3], () => L.lstm({ ...one, recurrentActivation: "hardSigmoid", implementation: 2 })],
  ["gru", [5, 3], () => L.gru({ ...one, returnSequences: true })],
  ["gru, other implementation", [5, 3], () => L.gru({ ...one, implementation: 2 })],
  ["unrolled rnn", [5, 3], () => L.simpleRNN({ ...one, unroll: true })],
  ["stacked cells", [5, 3], () => L.rnn({ cell: [L.gruCell({ units: 3 }), L.lstmCell({ units: 2 })] as never })],
  ["bidirectional lstm", [5, 3], () => L.bidirectional({ layer: L.lstm({ ...one, returnSequences: true }), mergeMode: "concat" })],
  ["bidirectional gru, summed", [5, 3], () => L.bidirectional({ layer: L.gru(one), mergeMode: "sum" })],
  ["timeDistributed dense", [5, 3], () => L.timeDistributed({ layer: L.dense({ units: 2 }) })],
  ["timeDistributed conv", [3, 5, 5, 2], () => L.timeDistributed({ layer: L.conv2d({ filters: 2, kernelSize: 3 }) })],
  ["convLstm2d", [3, 5, 5, 2], () => L.convLstm2d({ filters: 2, kernelSize: 3 })],
]; // prettier-ignore

describe("layers give what TensorFlow.js predicts", () => {
  for (const [name, shape, make] of singles) {
    it(name, async () => {
      await expectSame(single(shape, make), [uniform([BATCH, ...shape])]);
    });
  }

  for (const merge of ["add", "average", "maximum", "minimum", "multiply", "concatenate"] as const) {
    it(merge, async () => {
      const [a, b] = [tf.input({ shape: [3, 4] }), tf.input({ shape: [3, 4] })];
      const output = (L[merge]() as tf.layers.Layer).apply([a, b]) as Input;
      const model = tf.model({ inputs: [a, b], outputs: output });
      await expectSame(model, [uniform([BATCH, 3, 4]), uniform([BATCH, 3, 4])]);
    });
  }

  it("dot", async () => {
    const [a, b] = [tf.input({ shape: [3, 4] }), tf.input({ shape: [5, 4] })];
    const output = L.dot({ axes: 2 }).apply([a, b]) as Input;
    await expectSame(tf.model({ inputs: [a, b], outputs: output }), [uniform([BATCH, 3, 4]), uniform([BATCH, 5, 4])]);
  });

  it("embedding, masked, and a recurrent layer that heeds the mask", async () => {
    const model = tf.sequential({
      layers: [
        L.embedding({ inputDim: 9, outputDim: 4, inputLength: 6, maskZero: true }),
        L.lstm({ units: 3, returnSequences: true }),
        L.gru({ units: 2 }),
      ],
    });
    const ids = given([BATCH, 6], [1, 2, 3, 0, 0, 0, 4, 5, 6, 7, 8, 0, 8, 1, 1, 2, 3, 4], "int32");
    const loaded = await expectSame(model, [ids]);
    expect(loaded.inputs).toEqual([{ name: model.inputNames[0], shape: [6], dtype: "int32" }]);
  });

  it("masking", async () => {
    const model = single([4, 2], () => L.masking({ maskValue: 0 }), () => L.simpleRNN({ units: 3 })); // prettier-ignore
    const x = uniform([BATCH, 4, 2]);
    x.data.fill(0, 4, 8);
    await expectSame(model, [x]);
  });

  it("several inputs and outputs, a nested model, a layer used twice", async () => {
    const shared = L.dense({ units: 4, activation: "tanh", name: "shared" });
    const inner = tf.sequential({ name: "inner", layers: [L.dense({ units: 5, inputShape: [4] }), L.reLU()] });
    const [a, b] = [tf.input({ shape: [3], name: "a" }), tf.input({ shape: [3], name: "b" })];
    const [p, q] = [shared.apply(a) as Input, shared.apply(b) as Input];
    const sum = L.add().apply(
      [p, inner.apply(q) as Input].map((x) => L.dense({ units: 2 }).apply(x) as Input),
    ) as Input;
    const model = tf.model({ inputs: [a, b], outputs: [sum, inner.apply(p) as Input] });
    const loaded = await expectSame(model, [uniform([BATCH, 3]), uniform([BATCH, 3])]);
    expect(loaded.inputs.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(loaded.parameters.filter(({ name }) => name.startsWith("shared"))).toHaveLength(2);
    expect(loaded.parameters).toHaveLength(8);
  });

  it("attention of layers", async () => {
    const x = tf.input({ shape: [6, 8] });
    const project = (): Input => L.dense({ units: 8, useBias: false }).apply(x) as Input;
    const scores = L.dot({ axes: [2, 2] }).apply([project(), project()]) as Input;
    const weights = L.softmax({ axis: -1 }).apply(scores) as Input;
    const mixed = L.dot({ axes: [2, 1] }).apply([weights, project()]) as Input;
    const output = L.layerNormalization().apply(L.add().apply([x, mixed])) as Input;
    await expectSame(tf.model({ inputs: x, outputs: output }), [uniform([BATCH, 6, 8])]);
  });
});

describe("parameters and buffers", () => {
  it("keeps moving averages apart, and shows frozen layers", async () => {
    const model = tf.sequential({
      layers: [
        L.dense({ units: 4, inputShape: [3], name: "first", trainable: false }),
        L.batchNormalization({ name: "norm" }),
        L.batchNormalization({ name: "frozen_norm", trainable: false }),
        L.dense({ units: 2, name: "last" }),
      ],
    });
    const { parameters, graph, weights } = await load(model);
    expect(parameters.map(({ name, trainable }) => [name, trainable])).toEqual([
      ["first/kernel", false],
      ["first/bias", false],
      ["norm/gamma", true],
      ["norm/beta", true],
      ["frozen_norm/gamma", false],
      ["frozen_norm/beta", false],
      ["last/kernel", true],
      ["last/bias", true],
    ]);
    expect(graph.parameters.map(({ name }) => name)).toEqual(parameters.map(({ name }) => name));
    expect(graph.buffers.map(({ name }) => name)).toEqual([
      "norm/moving_mean",
      "norm/moving_variance",
      "frozen_norm/moving_mean",
      "frozen_norm/moving_variance",
    ]);
    expect(Object.keys(weights)).toHaveLength(12);
    expect(weights["first/kernel"]).toMatchObject({ shape: [3, 4], dtype: "float32" });
  });

  it("makes equal names unique, in order", async () => {
    const make = (): tf.Sequential => tf.sequential({ layers: [L.dense({ units: 3, inputShape: [3], name: "same" })] });
    const [a, b] = [make(), make()];
    const input = tf.input({ shape: [3] });
    const model = tf.model({ inputs: input, outputs: b.apply(a.apply(input)) as Input });
    const { parameters } = await load(model);
    expect(parameters.map(({ name }) => name)).toEqual(["same/kernel", "same/bias", "same/kernel_1", "same/bias_1"]);
  });

  it("gives the weights back after the trace", async () => {
    const model = tf.sequential({ layers: [L.dense({ units: 2, inputShape: [3] })] });
    const before = model.getWeights()[0].dataSync();
    await load(model);
    expect(model.getWeights()[0].dataSync()).toEqual(before);
    expect((model.predict(tf.ones([4, 3])) as tf.Tensor).shape).toEqual([4, 2]);
  });
});

describe("examples of a batch", () => {
  /** A layer without weights that computes `body`. */
  class Custom extends L.Layer {
    static className = "Custom";
    constructor(private readonly body: (x: tf.Tensor) => tf.Tensor) {
      super({});
    }
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      return this.body(Array.isArray(inputs) ? inputs[0] : inputs);
    }
    override computeOutputShape(shape: tf.Shape): tf.Shape {
      return shape;
    }
  }
  const custom = (body: (x: tf.Tensor) => tf.Tensor): tf.LayersModel => single([3], () => new Custom(body), () => L.dense({ units: 2 })); // prettier-ignore

  it("are coupled by a mean over the batch", async () => {
    const { batch, graph, inputs, outputs } = await load(custom((x) => tf.sub(x, tf.mean(x, 0, true))));
    expect(batch).toMatchObject({ coupled: true, size: BATCH, reason: "reduce_sum runs over the batch axis" });
    expect(graph.inputs[0].value.shape).toEqual([BATCH, 3]);
    expect(graph.outputs[0].shape).toEqual([BATCH, 2]);
    expect(inputs[0].shape).toEqual([3]);
    expect(outputs[0].shape).toEqual([2]);
  });

  it("are coupled by a reversal of the batch", async () => {
    expect((await load(custom((x) => tf.reverse(x, 0)))).batch.coupled).toBe(true);
  });

  it("are independent where the batch axis goes through reshapes and transposes", async () => {
    const through = custom((x) => tf.transpose(tf.mul(tf.transpose(x), 2)));
    expect((await load(through)).batch.coupled).toBe(false);
  });

  it("are as many as a frozen batch says", async () => {
    const model = tf.sequential({ layers: [L.dense({ units: 2, batchInputShape: [5, 3] })] });
    expect((await load(model)).batch).toMatchObject({ coupled: true, size: 5 });
  });

  it("may be one by the model's own account", async () => {
    const model = tf.sequential({ layers: [L.dense({ units: 2, batchInputShape: [1, 3] })] });
    expect((await load(model)).batch).toEqual({ coupled: false });
  });
});

it("a model without layers is refused", async () => {
  await expect(load(tf.sequential())).rejects.toThrow("has no layers");
});

describe("open shapes", () => {
  const model = (): tf.LayersModel => {
    const image = tf.input({ shape: [null, null, 3], name: "image" });
    const features = L.conv2d({ filters: 2, kernelSize: 3 }).apply(image);
    return tf.model({ inputs: image, outputs: L.globalAveragePooling2d({}).apply(features) as Input });
  };

  it("are asked for", async () => {
    await expect(load(model())).rejects.toThrow("add --input image=N,EXTENT1,EXTENT2,3");
  });

  it("are taken from --input", async () => {
    const option = { name: "image", shape: [8, 9, 3], batched: true, dtype: null };
    expect((await load(model(), [option])).inputs[0].shape).toEqual([8, 9, 3]);
  });

  it("must fit what the model says", async () => {
    const option = { name: "image", shape: [8, 9, 4], batched: true, dtype: null };
    await expect(load(model(), [option])).rejects.toThrow("the model takes [N,?,?,3]");
    await expect(load(model(), [{ ...option, name: "picture" }])).rejects.toThrow("its inputs are image");
  });
});

it("integer inputs stay integers", async () => {
  const ids = tf.input({ shape: [4], dtype: "int32", name: "ids" });
  const embedded = L.embedding({ inputDim: 7, outputDim: 3 }).apply(ids) as Input;
  const model = tf.model({ inputs: ids, outputs: L.flatten().apply(embedded) as Input });
  const loaded = await expectSame(model, [integers([BATCH, 4], 0, 6)]);
  expect(loaded.graph.inputs[0].value.dtype).toBe("int32");
});

describe("derivatives are TensorFlow.js's own", () => {
  const models: Record<string, () => tf.LayersModel> = {
    "a convolutional net": () =>
      single(
        [7, 6, 2],
        () => L.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: "same", activation: "relu" }),
        () => L.batchNormalization(),
        () => L.depthwiseConv2d({ kernelSize: 2, activation: "elu" }),
        () => L.maxPooling2d({ poolSize: 2, strides: 1 }),
        () => L.flatten(),
        () => L.dense({ units: 3, activation: "softmax" }),
      ),
    "a transposed convolution": () =>
      single(
        [4, 4, 2],
        () => L.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, activation: "tanh" }),
        () => L.averagePooling2d({ poolSize: 2 }),
        () => L.globalAveragePooling2d({}),
      ),
    "a recurrent net": () =>
      single(
        [4, 3],
        () => L.bidirectional({ layer: L.gru({ units: 3, returnSequences: true }), mergeMode: "concat" }),
        () => L.layerNormalization(),
        () => L.lstm({ units: 2, recurrentActivation: "sigmoid" }),
      ),
  };
  for (const [name, make] of Object.entries(models)) {
    it(name, async () => {
      const layers = make();
      fillWeights(layers);
      const model = await load(layers);
      const { graph, weights } = model;
      const x = uniform([1, ...model.inputs[0].shape]);
      const cotangent = uniform(model.outputs[0].shape);
      const gradients = await run(
        vjp(
          graph,
          graph.parameters.map(({ value }) => value),
        ),
        [
          exampleOf(x, 0),
          cotangent,
          ...[...graph.parameters, ...graph.buffers].map((parameter) => weights[parameter.name]),
        ],
      );
      const weighted = (): tf.Scalar => {
        const y = layers.apply(tf.tensor(x.data, [...x.shape]), { training: false }) as tf.Tensor;
        return tf.sum(tf.mul(y, tf.tensor(cotangent.data, [...cotangent.shape])));
      };
      const variables = layers.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
      const { grads } = tf.variableGrads(weighted, variables);
      const named = new Map(
        layers.trainableWeights.map((weight, index) => [weight.originalName, variables[index].name]),
      );
      graph.parameters.forEach((parameter, index) => {
        const expected = grads[named.get(parameter.name) ?? ""];
        expectClose(gradients[graph.outputs.length + index].data, expected.dataSync(), 5e-5);
      });
    });
  }
});
