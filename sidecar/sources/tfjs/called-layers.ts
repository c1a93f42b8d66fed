import type { LayerInfo, OperationInfo } from "../model";
import { callersOfLayer, ownerOf, type CalledLayer } from "./layers";
import { tf } from "./tensorflow";
import type { Traced } from "./tracing";

/**
 * The layers of a model as its summary would list them, out of all that were called, and which parameters are whose.
 * `size` is the number of examples that the model was traced with.
 */
export function layersOf({ layers: called, weights }: Pick<Traced, "layers" | "weights">, size: number): LayerInfo[] {
  const byLayer = new Map(called.map((call) => [call.layer, call]));
  const parameters = new Map<CalledLayer, string[]>();
  for (const { name, role, layerWeight } of weights) {
    if (role !== "parameter" || !layerWeight) continue;
    const owner = ownerOf(layerWeight);
    const call = (owner && byLayer.get(owner.layer)) ?? holderOf(layerWeight, called);
    if (!call) continue;
    const layer = recurrentOf(call, byLayer);
    parameters.set(layer, [...(parameters.get(layer) ?? []), name]);
  }
  const holders = new Set(called.map(({ outer }) => outer));
  return called
    .filter((call) => {
      if (call.layer.getClassName() === "InputLayer" || recurrentOf(call, byLayer) !== call) return false;
      return parameters.has(call) || call.layer instanceof tf.RNN || !holders.has(call.layer);
    })
    .map((call) => ({
      name: call.path,
      kind: kindOf(call),
      source: call.constructed,
      callers: callersOfLayer(call.layer),
      outputs: call.outputs.map((shape) => (shape[0] === size ? shape.slice(1) : shape)),
      parameters: parameters.get(call) ?? [],
    }));
}

/** The kernels that were called and are in the graph, within the layers that called them. */
export function operationsOf({ layers: called, emitted, graph }: Traced, size: number): OperationInfo[] {
  const kinds = new Map(called.map((call) => [call.path, kindOf(call)]));
  return emitted.in(graph, ({ kernel, layer, source, outputs }) => {
    const names = layer === "" ? [] : layer.split("/");
    const paths = names.map((_, depth) => names.slice(0, depth + 1).join("/"));
    return {
      name: kernel,
      kind: "",
      modules: paths.map((path) => ({ path, kind: kinds.get(path) ?? "" })),
      source,
      outputs: outputs.map((shape) => (shape[0] === size ? shape.slice(1) : shape)),
    };
  });
}

function kindOf({ layer }: CalledLayer): string {
  return layer.getClassName() || layer.constructor.name;
}

/** The innermost layer that counts a weight as its own, though the layer that made the weight was not called. */
function holderOf(weight: tf.LayerVariable, called: readonly CalledLayer[]): CalledLayer | undefined {
  return called.findLast(({ layer }) => layer.weights.includes(weight));
}

/** A recurrent layer is one layer, whatever cells it calls: the outermost of those that a layer is called in, or itself. */
function recurrentOf(call: CalledLayer, byLayer: ReadonlyMap<tf.layers.Layer, CalledLayer>): CalledLayer {
  let whole = call;
  for (let outer: CalledLayer | undefined = call; outer; outer = outer.outer ? byLayer.get(outer.outer) : undefined) {
    if (outer.layer instanceof tf.RNN) whole = outer;
  }
  return whole;
}
