import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import { completeInputs, type DeclaredInput, type InputOption } from "../inputs";
import { ownerOf, placeOfLayer } from "./layers";
import { uniqueNames } from "../unique-names";
import { variableWeight, type Subject, type Weight } from "./subject";
import { tf } from "./tensorflow";
import { placeOfVariable } from "./variables";

/** A LayersModel as something to trace: its inputs, its layers' weights, and its prediction. */
export function layersModelSubject(model: tf.LayersModel, options: readonly InputOption[]): Subject {
  const source = placeOfLayer(model);
  buildIfNeeded(model, source);
  const declared = model.inputs.map((input, index): DeclaredInput => {
    const dtype = readsIntegers(input)
      ? "int32"
      : input.dtype === "int32" || input.dtype === "bool"
        ? input.dtype
        : "float32";
    return { name: model.inputNames[index] ?? input.name, shape: input.shape, dtype, batched: true };
  });
  const batches = [...new Set(model.inputs.map(({ shape }) => shape[0] ?? null))];
  const frozenBatch = batches.find((extent) => extent !== null) ?? null;
  const outputNames = uniqueNames(model.outputNames);
  return {
    inputs: completeInputs(declared, options, source),
    weights: weightsOf(model),
    onlyUsedWeights: false,
    isLayered: true,
    frozenBatch,
    source,
    call(inputs) {
      const outputs = model.predictOnBatch(inputs.length === 1 ? inputs[0] : inputs);
      return (Array.isArray(outputs) ? outputs : [outputs]).map((tensor, index) => ({
        name: outputNames[index] ?? `output${index}`,
        tensor,
      }));
    },
  };
}

function buildIfNeeded(model: tf.LayersModel, source: Source | null): void {
  // A Sequential without layers has no inputs either, whatever its type says.
  const inputs = model.inputs as tf.SymbolicTensor[] | undefined;
  if (!inputs?.length) throw new ModelError("the model has no layers; add layers to it before it is analysed", source);
  if (!model.built) model.build(inputs[0].shape);
}

/** An embedding looks its inputs up as integers, whatever dtype the input layer has. */
function readsIntegers(input: tf.SymbolicTensor): boolean {
  const readers = (input.sourceLayer as unknown as { outboundNodes?: { outboundLayer: tf.layers.Layer }[] })
    .outboundNodes;
  const layers = (readers ?? []).map(({ outboundLayer }) => outboundLayer);
  return layers.length > 0 && layers.every((layer) => layer.getClassName() === "Embedding");
}

function weightsOf(model: tf.LayersModel): Weight[] {
  const trainable = new Set(model.trainableWeights);
  const all = [...new Set(inLayerOrder(model))];
  const names = uniqueNames(all.map((weight) => weight.originalName));
  return all.map((weight, index) => {
    const owner = ownerOf(weight);
    const variable = (weight as unknown as { val: tf.Variable }).val;
    const isBuffer = owner ? !owner.declaredTrainable : !weight.trainable;
    return variableWeight(variable, {
      name: names[index],
      role: isBuffer ? "buffer" : "parameter",
      trainable: trainable.has(weight),
      source: (owner && placeOfLayer(owner.layer)) ?? placeOfVariable(variable),
      layerWeight: weight,
    });
  });
}

/** The weights of one layer after the other, in the order of the model's own list of layers. */
function inLayerOrder(model: tf.LayersModel): tf.LayerVariable[] {
  const byLayer = model.layers.flatMap((layer) =>
    layer instanceof tf.LayersModel ? inLayerOrder(layer) : layer.weights,
  );
  return [...byLayer, ...model.weights];
}
