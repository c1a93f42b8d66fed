import type { Source } from "../../graph/graph";
import type { RecordingBackend } from "./backend";
import { userFrames } from "./places";
import { tf } from "./tensorflow";
import { activeTrace } from "./trace";

/** What TensorFlow.js does not remember about variables: the line that made each one, and an array of its own. */

const places = new WeakMap<tf.Variable, Source>();
const givenNames = new WeakMap<tf.Variable, string>();
/** In this order; TensorFlow.js's own table of variables puts those with numbers for names first. */
const made: tf.Variable[] = [];
let installed = false;

export function placeOfVariable(variable: tf.Variable): Source | null {
  return places.get(variable) ?? null;
}

/** The name that the user gave a variable, or the number that TensorFlow.js gave it. */
export function nameOfVariable(variable: tf.Variable): string {
  return givenNames.get(variable) ?? variable.name;
}

/** From now on, variables that were made before belong to another model. */
export function forgetVariables(): void {
  made.length = 0;
}

/** All variables that exist, in the order in which they were made. */
export function liveVariables(): tf.Variable[] {
  const { registeredVariables } = tf.engine().state;
  return made.filter((variable) => registeredVariables[variable.name] === variable);
}

export function observeVariables(backend: RecordingBackend): void {
  if (installed) return;
  installed = true;
  const engine = tf.engine();
  const makeVariable = engine.makeVariable.bind(engine);
  engine.makeVariable = (initial, trainable, name, dtype) => {
    const source = userFrames().innermost;
    // A variable shares its array with the tensor it is made from. Two variables made from one tensor must stay two.
    const own = backend.hasElements(initial.dataId)
      ? tf.tidy(() => tf.keep(tf.tensor(backend.readSync(initial.dataId) as never, initial.shape, initial.dtype)))
      : initial;
    const variable = makeVariable(own, trainable, uniqueName(name), dtype);
    if (own !== initial) own.dispose();
    made.push(variable);
    if (name !== undefined) givenNames.set(variable, name);
    if (source) places.set(variable, source);
    if (own !== initial) activeTrace()?.onVariable?.(variable);
    return variable;
  };
}

/** A model factory that is called twice makes variables of the same names twice, which TensorFlow.js refuses. */
function uniqueName(name: string | undefined): string | undefined {
  const { registeredVariables } = tf.engine().state;
  if (name === undefined || !(name in registeredVariables)) return name;
  let number = 1;
  while (`${name}_${number}` in registeredVariables) number++;
  return `${name}_${number}`;
}
