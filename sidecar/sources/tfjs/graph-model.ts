import { ModelError } from "../../graph/errors";
import { completeInputs, type DeclaredInput, type InputOption } from "../inputs";
import type { Subject, Weight } from "./subject";
import type { tf } from "./tensorflow";

/** The parts of a GraphModel that its type keeps to itself. */
interface Executor {
  weightMap: Record<string, tf.Tensor[]>;
  readonly graph: { readonly nodes: Readonly<Record<string, GraphNode>> };
}

interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly GraphNode[];
}

/**
 * A GraphModel as something to trace. Its constants with a rank are its parameters; scalars and integers, which set
 * sizes and rates, stay constants. `concrete` names constants that the model needs as numbers while it runs.
 */
export function graphModelSubject(
  model: tf.GraphModel,
  options: readonly InputOption[],
  concrete: ReadonlySet<string> = new Set(),
): Subject {
  const { executor } = model as unknown as { executor: Executor };
  const declared = model.inputs.map(declaredInput);
  const inputs = completeInputs(declared, options, null);
  const inputNames = model.inputs.map(({ name }) => name);
  const outputNames = model.outputs.map(({ name }) => withoutPort(name));
  return {
    inputs,
    weights: weightsOf(executor, concrete),
    onlyUsedWeights: true,
    isLayered: false,
    frozenBatch: null,
    source: null,
    async call(tensors) {
      const named = Object.fromEntries(inputNames.map((name, index) => [name, tensors[index]]));
      const outputs = await execute(model, named);
      return (Array.isArray(outputs) ? outputs : [outputs]).map((tensor, index) => ({
        name: outputNames[index] ?? `output${index}`,
        tensor,
      }));
    },
  };
}

/** Control flow runs only asynchronously; what is static of it is decided while tracing. */
async function execute(model: tf.GraphModel, inputs: tf.NamedTensorMap): Promise<tf.Tensor | tf.Tensor[]> {
  try {
    return model.execute(inputs);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("executeAsync")) throw error;
    return model.executeAsync(inputs);
  }
}

const withoutPort = (name: string): string => name.replace(/:\d+$/, "");

/** An open or 1 first extent is the batch axis; any other is a part of the one example. */
function declaredInput({ name, shape, dtype }: tf.ModelTensorInfo | GraphInput): DeclaredInput {
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    throw new ModelError(`the input ${name} is of type ${dtype}; only float32, int32 and bool inputs can be traced`);
  }
  const extents = shape?.map((extent) => (extent === -1 || extent === null ? null : extent)) ?? null;
  const batched = extents === null || (extents.length > 0 && (extents[0] === null || extents[0] === 1));
  return { name: withoutPort(name), shape: extents, dtype, batched };
}

interface GraphInput {
  readonly name: string;
  readonly shape?: (number | null)[];
  readonly dtype: string;
}

function weightsOf(executor: Executor, concrete: ReadonlySet<string>): Weight[] {
  const statistics = movingStatistics(executor);
  return Object.entries(executor.weightMap).flatMap(([name, [tensor]]): Weight[] => {
    if (tensor?.dtype !== "float32" || tensor.size <= 1 || concrete.has(name)) return [];
    const isBuffer = statistics.has(name);
    return [
      {
        name,
        role: isBuffer ? "buffer" : "parameter",
        trainable: !isBuffer,
        source: null,
        layerWeight: null,
        tensor,
        replace(other) {
          executor.weightMap[name][0] = other;
          return () => (executor.weightMap[name][0] = tensor);
        },
      },
    ];
  });
}

/** Constants that a batch normalisation takes as its mean and variance. */
function movingStatistics({ graph }: Executor): Set<string> {
  const names = new Set<string>();
  for (const node of Object.values(graph.nodes)) {
    if (!node.op.startsWith("FusedBatchNorm")) continue;
    for (const input of node.inputs.slice(3, 5)) {
      let origin: GraphNode | undefined = input;
      while (origin?.op === "Identity") origin = origin.inputs[0];
      if (origin) names.add(origin.name);
    }
  }
  return names;
}
