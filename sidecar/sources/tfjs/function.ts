import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import { parameterNames } from "./bindings";
import { refuseUnknown, type InputOption } from "../inputs";
import { uniqueNames } from "../unique-names";
import { variableWeight, type NamedTensor, type Subject, type Weight } from "./subject";
import { tf } from "./tensorflow";
import { liveVariables, nameOfVariable, placeOfVariable } from "./variables";

/** A function on tensors as something to trace. Its parameters are the variables that it uses. */

export type Callable = (...args: tf.Tensor[]) => unknown;

export function functionSubject(
  callable: Callable,
  name: string,
  options: readonly InputOption[],
  bindings: Readonly<Record<string, () => unknown>>,
  source: Source | null,
): Subject {
  const parameters = parameterNames(callable);
  refuseUnknown(parameters, options, source);
  // Parameters with a default value may be left out.
  const inputs = parameters
    .filter((parameter, index) => index < callable.length || options.some((option) => option.name === parameter))
    .map((parameter) => {
      const option = options.find((candidate) => candidate.name === parameter);
      if (option) return { ...option, dtype: option.dtype ?? ("float32" as const) };
      throw new ModelError(
        `the shape of the parameter ${parameter} of the function ${name} is not known; ` +
          `add --input ${parameter}=N,SHAPE, where N marks the batch axis`,
        source,
      );
    });
  if (inputs.length === 0) {
    throw new ModelError(`the function ${name} takes no tensors, so it has no derivative; give it a parameter`, source);
  }
  return {
    inputs,
    weights: variableWeights(bindings),
    onlyUsedWeights: true,
    isLayered: false,
    frozenBatch: null,
    source,
    async call(tensors) {
      return namedTensors(await callable(...tensors), name, source);
    },
  };
}

function namedTensors(result: unknown, name: string, source: Source | null): NamedTensor[] {
  if (result instanceof tf.Tensor) return [{ name: "output", tensor: result as tf.Tensor }];
  if (typeof result === "object" && result !== null) {
    const entries = Object.entries(result as Record<string, unknown>);
    const tensors = entries.filter((entry): entry is [string, tf.Tensor] => entry[1] instanceof tf.Tensor);
    if (entries.length > 0 && tensors.length === entries.length) {
      return tensors.map(([key, tensor]) => ({ name: Array.isArray(result) ? `output${key}` : key, tensor }));
    }
  }
  throw new ModelError(
    `the function ${name} returns ${describe(result)} instead of a tensor; return a tensor, a list or an object of tensors`,
    source,
  );
}

function describe(result: unknown): string {
  if (result === undefined) return "nothing";
  if (result === null) return "null";
  if (typeof result !== "object") return `a ${typeof result}`;
  return Array.isArray(result) ? "a list with something else in it" : "an object with something else in it";
}

function variableWeights(bindings: Readonly<Record<string, () => unknown>>): Weight[] {
  const variables = liveVariables();
  const boundNames = namesInBindings(bindings, new Set(variables));
  const names = uniqueNames(
    // TensorFlow.js names a variable by a number where the user does not: what it is bound to says more.
    variables.map((variable) => {
      const name = nameOfVariable(variable);
      return (/^\d+$/.test(name) ? boundNames.get(variable) : null) ?? name;
    }),
  );
  return variables.map((variable, index) => variableParameter(variable, names[index]));
}

export function variableParameter(variable: tf.Variable, name: string): Weight {
  return variableWeight(variable, {
    name,
    role: "parameter",
    trainable: variable.trainable,
    source: placeOfVariable(variable),
    layerWeight: null,
  });
}

const SEARCH_DEPTH = 3;

/** Where variables are held: `w`, `params.w`, `layers.0.kernel`. */
function namesInBindings(
  bindings: Readonly<Record<string, () => unknown>>,
  wanted: ReadonlySet<tf.Variable>,
): Map<tf.Variable, string> {
  const names = new Map<tf.Variable, string>();
  const visit = (value: unknown, path: string, depth: number): void => {
    if (value instanceof tf.Variable) {
      const variable = value as tf.Variable;
      if (wanted.has(variable) && !names.has(variable)) names.set(variable, path);
      return;
    }
    if (depth === SEARCH_DEPTH || typeof value !== "object" || value === null) return;
    if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return;
    for (const [key, member] of Object.entries(value)) visit(member, `${path}.${key}`, depth + 1);
  };
  for (const [name, read] of Object.entries(bindings)) {
    try {
      visit(read(), name, 0);
    } catch {
      // A binding that was never reached has no value.
    }
  }
  return names;
}
