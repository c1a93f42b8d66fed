import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { graphics } from "systeminformation";

export interface Device {
  readonly name: string;
  readonly memoryBytes: number;
  readonly detected: boolean;
  /** The CPU with its own memory, or a card. */
  readonly kind: "host" | "card";
  /** Of that memory, what is not there for arrays. */
  readonly reservedBytes: number;
}

/**
 * What a CUDA context, its libraries' code and their handles (cuDNN, cuBLAS) take on a card before there is any array:
 * some hundred MiB, of which more on larger cards. Nothing is set aside of a host's memory.
 */
export const GPU_RESERVE_BYTES = 512 * 2 ** 20;

/** macOS lets a GPU have about three quarters of the memory that it shares with the CPU. */
const UNIFIED_SHARE = 0.75;

/** The first GPU that NVIDIA's driver names, else this machine's CPU with its memory. */
export function detectDevice(): Device {
  try {
    const query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"];
    const text = execFileSync("nvidia-smi", query, { timeout: 1000, stdio: ["ignore", "pipe", "ignore"] }).toString();
    const [name, mebibytes] = text.split("\n")[0].split(",");
    const memoryBytes = Number(mebibytes) * 2 ** 20;
    if (memoryBytes > 0)
      return { name: name.trim(), memoryBytes, detected: true, kind: "card", reservedBytes: GPU_RESERVE_BYTES };
  } catch {
    // No NVIDIA driver: the CPU
  }
  return hostDevice();
}

/**
 * This machine's GPUs, as far as their drivers tell their memory, and its CPU. Takes up to a second: systeminformation
 * asks every tool that there may be.
 */
export async function detectDevices(): Promise<Device[]> {
  const { controllers } = await graphics();
  const gpus = controllers
    .map(({ model, memoryTotal, vram }) => ({ name: model, mebibytes: memoryTotal ?? vram ?? 0 }))
    .filter(({ mebibytes }) => mebibytes > 0)
    .map(({ name, mebibytes }) => ({
      name,
      memoryBytes: mebibytes * 2 ** 20,
      detected: true,
      kind: "card" as const,
      reservedBytes: GPU_RESERVE_BYTES,
    }));
  return [...gpus, hostDevice()];
}

/** This machine's CPU, with its memory. */
export function hostDevice(): Device {
  return {
    name: `CPU (${cpus().length} cores)`,
    memoryBytes: totalmem(),
    detected: true,
    kind: "host",
    reservedBytes: 0,
  };
}

/** Common cards, to predict for one that one does not have. Memory as sold, in GiB. */
const cards = [
  ["Tesla T4 16GB", 16],
  ["Tesla P100 16GB", 16],
  ["Tesla V100 16GB", 16],
  ["Tesla V100 32GB", 32],
  ["GTX 1080 Ti 11GB", 11],
  ["RTX 2080 Ti 11GB", 11],
  ["RTX 3060 12GB", 12],
  ["RTX 3070 8GB", 8],
  ["RTX 3080 10GB", 10],
  ["RTX 3090 24GB", 24],
  ["RTX 4060 8GB", 8],
  ["RTX 4070 12GB", 12],
  ["RTX 4080 16GB", 16],
  ["RTX 4090 24GB", 24],
  ["RTX 5070 12GB", 12],
  ["RTX 5080 16GB", 16],
  ["RTX 5090 32GB", 32],
  ["RTX A6000 48GB", 48],
  ["A10 24GB", 24],
  ["L4 24GB", 24],
  ["L40S 48GB", 48],
  ["A100 40GB", 40],
  ["A100 80GB", 80],
  ["H100 80GB", 80],
  ["H200 141GB", 141],
  ["B200 180GB", 180],
] as const;

/** Memory that GPU and CPU share. */
const unified = [8, 16, 18, 24, 32, 36, 48, 64, 96, 128, 192] as const;

export const profiles: readonly Device[] = [
  ...cards.map(([name, gibibytes]) => ({
    name,
    memoryBytes: gibibytes * 2 ** 30,
    detected: false,
    kind: "card" as const,
    reservedBytes: GPU_RESERVE_BYTES,
  })),
  ...unified.map((gibibytes) => ({
    name: `Apple unified memory ${gibibytes}GB`,
    memoryBytes: gibibytes * 2 ** 30,
    detected: false,
    kind: "card" as const,
    reservedBytes: (1 - UNIFIED_SHARE) * gibibytes * 2 ** 30,
  })),
];

/** The profile that a part of its name picks; throws an Error that lists them if none or several do. */
export function namedDevice(option: string, text: string): Device {
  const exact = profiles.filter(({ name }) => name.toLowerCase() === text.toLowerCase());
  const found =
    exact.length > 0 ? exact : profiles.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
  if (found.length !== 1) {
    const all = profiles.map(({ name }) => name).join(", ");
    throw new Error(`${option} ${text}: ${found.length === 0 ? "not known" : "not unique"}; choose one of ${all}`);
  }
  return found[0];
}

/** `16GiB`, `512MiB` or a number of bytes. */
export function parseMemory(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(GiB|MiB|KiB|B)?$/i.exec(text.trim());
  if (!match) throw new Error(`${option} ${text}: write a size such as 16GiB`);
  const powers: Record<string, number> = { gib: 30, mib: 20, kib: 10, b: 0 };
  return Number(match[1]) * 2 ** powers[(match[2] ?? "B").toLowerCase()];
}
