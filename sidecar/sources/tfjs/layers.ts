import type { Source } from "../../graph/graph";
import type { Shape } from "../../graph/types";
import { userFrames, userStack } from "./places";
import { tf } from "./tensorflow";

/**
 * What TensorFlow.js does not remember about layers: the line that constructed each one, which layer a weight belongs
 * to, and which layer is being called now.
 */

type Layer = tf.layers.Layer;
type LayerVariable = tf.LayerVariable;

interface LayerCall {
  readonly layer: Layer;
  /** User frames below this call; more of them means that user code is running inside the layer. */
  readonly userFrames: number;
  readonly constructed: Source | null;
  /** Names of the layers that are being called: `block_1/conv`. */
  readonly path: string;
}

interface WeightOwner {
  readonly layer: Layer;
  /** False for state such as moving averages, whatever the layer's own `trainable` says. */
  readonly declaredTrainable: boolean;
}

const constructionPlaces = new WeakMap<Layer, Source>();
const callers = new WeakMap<Layer, readonly Source[]>();
const owners = new WeakMap<LayerVariable, WeightOwner>();
const calls: LayerCall[] = [];

export function currentLayer(): LayerCall | null {
  return calls.length > 0 ? calls[calls.length - 1] : null;
}

export function placeOfLayer(layer: Layer): Source | null {
  return constructionPlaces.get(layer) ?? null;
}

/** The lines of functions that led to the line that constructed it, innermost first. */
export function callersOfLayer(layer: Layer): readonly Source[] {
  return callers.get(layer) ?? [];
}

export function ownerOf(weight: LayerVariable): WeightOwner | null {
  return owners.get(weight) ?? null;
}

/** A layer that was called, as it was in its first call. */
export interface CalledLayer {
  readonly layer: Layer;
  readonly path: string;
  readonly constructed: Source | null;
  /** The layer in whose call it was called. */
  readonly outer: Layer | null;
  /** With the batch axis. */
  outputs: readonly Shape[];
}

let called: Map<Layer, CalledLayer> | null = null;

/** From now on until `forgetCalls`, layers are noted in the order in which they are called. */
export function noteCalls(): ReadonlyMap<Layer, CalledLayer> {
  return (called = new Map<Layer, CalledLayer>());
}

type Call = (inputs: tf.Tensor | tf.Tensor[], kwargs: Record<string, unknown>) => tf.Tensor | tf.Tensor[];

let installed = false;

/** Hooks the Layer base class. Layers that exist already are not seen. */
export function observeLayers(): void {
  if (installed) return;
  installed = true;
  const prototype = tf.layers.Layer.prototype as Layer & { addWeight: (...args: unknown[]) => LayerVariable };

  // Every layer's constructor assigns `id` first thing. That is the one moment at which all layers can be seen: the
  // factories, user classes and layers made by other layers all pass here, and constructors cannot be replaced.
  Object.defineProperty(prototype, "id", {
    configurable: true,
    set(this: Layer, id: number) {
      Object.defineProperty(this, "id", { value: id, writable: true, enumerable: true, configurable: true });
      const isSkipped = (site: NodeJS.CallSite): boolean => isConstructorOf(this, site);
      const { innermost } = userFrames(isSkipped);
      if (innermost) constructionPlaces.set(this, innermost);
      callers.set(this, userStack(isSkipped).slice(1));
      observeCalls(this);
    },
  });

  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the layer as `this`
  const { addWeight } = prototype;
  prototype.addWeight = function (this: Layer, ...args: unknown[]): LayerVariable {
    const weight = addWeight.apply(this, args);
    owners.set(weight, { layer: this, declaredTrainable: args[5] !== false });
    return weight;
  };
}

/** The user's own class of layer is constructed where `new` stands, not where its constructor calls `super`. */
function isConstructorOf(layer: Layer, site: NodeJS.CallSite): boolean {
  if (!site.isConstructor()) return false;
  // Bundling may put underscores before a class's name, or a number behind it
  const plain = (name: string | null): string => (name ?? "").replace(/^_+|\d+$/g, "");
  const name = plain(site.getFunctionName());
  let prototype: object | null = Object.getPrototypeOf(layer) as object;
  for (; prototype && prototype !== tf.layers.Layer.prototype; prototype = Object.getPrototypeOf(prototype) as object) {
    if (plain(prototype.constructor.name) === name) return true;
  }
  return false;
}

/** Models call `layer.call` without `apply`, so the method itself is wrapped, on each instance. */
function observeCalls(layer: Layer): void {
  Object.defineProperty(layer, "call", {
    configurable: true,
    writable: true,
    enumerable: false,
    value: function (this: Layer, inputs: tf.Tensor | tf.Tensor[], kwargs: Record<string, unknown>) {
      const outer = currentLayer();
      const constructed = placeOfLayer(this) ?? outer?.constructed ?? null;
      const path = pathOf(this, outer);
      const noted = note({ layer: this, path, constructed, outer: outer?.layer ?? null, outputs: [] });
      calls.push({ layer: this, userFrames: userFrames().count, constructed, path });
      try {
        const outputs = (Object.getPrototypeOf(this) as { call: Call }).call.call(this, inputs, kwargs);
        if (noted) noted.outputs = [outputs].flat().map(({ shape }) => [...shape]);
        return outputs;
      } catch (error) {
        rememberError(error, this, outer);
        throw error;
      } finally {
        calls.pop();
        forgetMask(kwargs);
      }
    },
  });
}

/** The entry to complete; null where the layer has been called before, or nobody wants to know. */
function note(call: CalledLayer): CalledLayer | null {
  if (called === null || called.has(call.layer)) return null;
  called.set(call.layer, call);
  return call;
}

interface FailedCall {
  readonly path: string;
  readonly constructed: Source | null;
}

const failedCalls = new WeakMap<object, FailedCall>();

/** The innermost layer in whose call an error was thrown. */
export function failedCallOf(error: unknown): FailedCall | null {
  return typeof error === "object" && error !== null ? (failedCalls.get(error) ?? null) : null;
}

function rememberError(error: unknown, layer: Layer, outer: LayerCall | null): void {
  if (typeof error !== "object" || error === null || failedCalls.has(error)) return;
  failedCalls.set(error, { path: pathOf(layer, outer), constructed: placeOfLayer(layer) });
}

function pathOf(layer: Layer, outer: LayerCall | null): string {
  if (outer === null) return layer.name;
  // A Sequential runs through a model of its own making, which is no level of its own to the user.
  if (layer instanceof tf.LayersModel && (outer.layer as { model?: unknown }).model === layer) return outer.path;
  return outer.path === "" ? layer.name : `${outer.path}/${layer.name}`;
}

/**
 * TensorFlow.js leaves the mask of one call in the arguments that a nested model's node keeps, and would use it, stale,
 * in the next call.
 */
function forgetMask(kwargs: Record<string, unknown> | null | undefined): void {
  if (!kwargs?.mask) return;
  const masks = Array.isArray(kwargs.mask) ? (kwargs.mask as unknown[]) : [kwargs.mask];
  if (masks.some((mask) => mask instanceof tf.Tensor)) delete kwargs.mask;
}

/** What a test of one trace must not see of another: calls left on the stack by an error. */
export function forgetCalls(): void {
  calls.length = 0;
  called = null;
}
