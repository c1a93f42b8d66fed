import { argumentsOf, type Argument, type Graph, type Value } from "../graph/graph";
import { isFloat, sizeOf } from "../graph/types";
import { newBuilder } from "../primitives";
import { add, convert, dotGeneral, mul, reshape, sub, zerosLike } from "../primitives/ops";
import { evaluateInto, jvpInto, simplify, vmap } from "../transforms";

/**
 * How far a model departs from its linearisation when its parameters take a step s along a direction v: a graph of the
 * outputs' change f(p + s v) - f(p) and of what the linearised model makes of it, s J v. The smaller the difference, the
 * more what the kernel predicts holds for the model itself (Lee et al. 2019, "Wide neural networks of any depth evolve as
 * linear models under gradient descent").
 *
 * @param graph of one example, without a batch axis
 * @returns a graph of (inputs with the batch axis first, `direction of P` for each parameter P in `wrt`, `step` []) to
 *   [|f(p + s v) - f(p) - s J v|², |s J v|²], each [] and over all outputs of all examples
 */
export function linearityGraph(graph: Graph, { batch, wrt }: { batch: number; wrt: readonly string[] }): Graph {
  const builder = newBuilder();
  const whole = vmap(graph, new Map(graph.inputs.map(({ value }) => [value, 0])), batch);
  const renew = ({ name, value }: Argument): Argument => ({ name, value: { ...value } });
  const [inputs, parameters, buffers] = [whole.inputs, whole.parameters, whole.buffers].map((each) => each.map(renew));
  const directions = parameters
    .filter(({ name }) => wrt.includes(name))
    .map(({ name, value }): Argument => ({ name: `direction of ${name}`, value: { ...value } }));
  const dtype = whole.outputs.find((output) => isFloat(output.dtype))?.dtype ?? "float32";
  const step: Argument = { name: "step", value: { shape: [], dtype } };

  const scaled = (value: Value): Value =>
    mul(
      builder,
      value,
      reshape(
        builder,
        convert(builder, step.value, value.dtype),
        value.shape.map(() => 1),
      ),
    );
  const values = [...inputs, ...parameters, ...buffers].map(({ value }) => value);
  const tangents = argumentsOf(whole).map(({ name }, index) => {
    const direction = directions.find((each) => each.name === `direction of ${name}`);
    return index >= inputs.length && direction ? scaled(direction.value) : null;
  });
  const linear = jvpInto(builder, whole, values, tangents);
  const moved = values.map((value, index) => {
    const tangent = tangents[index];
    return tangent === null ? value : add(builder, value, tangent);
  });
  const there = evaluateInto(builder, whole, moved);

  const squares = (arrays: readonly Value[]): Value =>
    arrays
      .map((array) => reshape(builder, array, [sizeOf(array.shape)]))
      .map((flat) => dotGeneral(builder, flat, flat, [[0], [0]]))
      .reduce((sum, each) => add(builder, sum, each));
  const places = whole.outputs.flatMap((output, index) => (isFloat(output.dtype) ? [index] : []));
  const predicted = places.map((index) => linear.tangents[index] ?? zerosLike(builder, linear.outputs[index]));
  const errors = places.map((index, place) => {
    const change = sub(builder, there.get(whole.outputs[index])!, linear.outputs[index]);
    return sub(builder, change, predicted[place]);
  });
  const outputs = [squares(errors), squares(predicted)];
  return simplify(builder.build({ inputs: [...inputs, ...directions, step], parameters, buffers, outputs }));
}
