import type { Repeat } from "./protocol";

/** Others on the same GPU: what bench/torch_gpu.py and bench/jax_gpu.py are told and print. */

export interface PeerTask {
  readonly net: string;
  readonly quantity: "jacobian" | "full" | "trace";
  /** Of a kernel; a Jacobian is always `vmap(jacrev)`. */
  readonly method: string;
  /** Whether products may be taken of numbers with 10 bits behind the point, which such cards are far quicker at. */
  readonly tf32: boolean;
  readonly device: "cuda" | "cpu";
  /** As lib/ntk-data.ts writes it. */
  readonly data: string;
  readonly repeat: Repeat;
}

export interface PeerResult {
  readonly first: number;
  /** Of calls after the first, until the result is there in the GPU's memory. */
  readonly resident: readonly number[];
  /** And until it is in the host's. */
  readonly seconds: readonly number[];
  readonly elements: number;
  /** The sum of the absolute values. */
  readonly checksum: number;
  /** The most memory of the GPU that arrays took beyond weights and inputs; null on a processor. */
  readonly bytes: number | null;
  readonly device: string;
  readonly version: string;
}

/** Long calls are not repeated often. */
const repeat = { seconds: 1, least: 3, most: 30 };

export interface Peer {
  readonly title: string;
  readonly program: string;
  readonly tasks: readonly PeerTask[];
}

/** @param files the data of the nets that have peers, by name; `many` is the perceptron's with far more examples */
export function peers(files: Readonly<Record<"cnn" | "mlp" | "many", string>>, device: PeerTask["device"]): Peer[] {
  const tasks = (net: "cnn" | "mlp", methods: readonly string[]): PeerTask[] =>
    [false, true].flatMap((tf32) => {
      const common = { net, tf32, device, data: files[net], repeat };
      const kernels = (["full", "trace"] as const).flatMap((quantity) =>
        methods.map((method): PeerTask => ({ ...common, quantity, method })),
      );
      return [{ ...common, quantity: "jacobian", method: "vmap(jacrev)" }, ...kernels];
    });
  const many = [false, true].map((tf32): PeerTask => {
    return { net: "mlp", quantity: "trace", method: "structured", tf32, device, data: files.many, repeat };
  });
  return [
    {
      title: "PyTorch",
      program: "bench/torch_gpu.py",
      tasks: [...tasks("cnn", ["contraction"]), ...tasks("mlp", ["contraction"])],
    },
    {
      title: "JAX, jit",
      program: "bench/jax_gpu.py",
      tasks: [...tasks("cnn", ["contraction"]), ...tasks("mlp", ["contraction", "structured"]), ...many],
    },
  ];
}
