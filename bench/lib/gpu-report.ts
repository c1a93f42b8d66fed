import { openOnWebgpu } from "../../test/engines/agree";
import { nameOfQuantity, type CatalogueResult, type GpuNet, type GpuResult, type Quantity, type Timed } from "./gpu";
import type { PeerResult, PeerTask } from "./gpu-peers";
import type { Failed, Measured } from "./protocol";
import { median, mebibytes, time } from "./report";

/** The figures of `npm run bench:gpu` as Markdown. */

export function catalogueText(results: readonly CatalogueResult[]): string {
  const isOpen = ({ name }: CatalogueResult): boolean => openOnWebgpu.test(name);
  const closed = results.filter((each) => !isOpen(each));
  const failed = closed.filter(({ error }) => error !== null);
  const open = results.filter(isOpen);
  const apart = open.filter(({ error }) => error !== null);
  const names = (some: readonly CatalogueResult[]): string => some.map(({ name }) => `\`${name}\``).join(", ");
  return [
    "### Catalogue of primitives, against the reference",
    "",
    `- ${closed.length - failed.length} of ${closed.length} cases agree${failed.length > 0 ? `; not ${names(failed)}` : ""}.`,
    `- Of ${open.length} that WebGPU leaves open (infinities, NaN, results close to zero), ${open.length - apart.length} agree` +
      `${apart.length > 0 ? `; not ${names(apart)}` : ""}.`,
  ].join("\n");
}

export interface NetLine {
  readonly quantity: Quantity;
  readonly result: GpuResult | Failed;
}

const starting = ({ compile, first }: Timed): string => time(compile + first);

export function netTable({ batch, rows, columns }: GpuNet, title: string, lines: readonly NetLine[]): string {
  const pairs = columns === null ? `${rows} with themselves` : `${rows} x ${columns}`;
  return [
    `### ${title}: Jacobian of ${batch} examples, kernels of ${pairs}`,
    "",
    "| | GPU | CPU | CPU / GPU | difference | GPU, first call | CPU, first call | memory of the GPU |",
    "|---|--:|--:|--:|--:|--:|--:|--:|",
    ...lines.map(({ quantity, result }) => {
      const name = nameOfQuantity(quantity);
      if ("cannot" in result) return `| ${name} | cannot: ${result.cannot} | | | | | | |`;
      const { gpu, cpu, difference, gpuBytes } = result;
      const [ours, other] = [median(gpu.seconds), median(cpu.seconds)];
      const memory = gpuBytes === null ? "" : mebibytes(gpuBytes);
      return `| ${name} | ${time(ours)} | ${time(other)} | ${(other / ours).toFixed(2)} x | ${difference.toExponential(1)} | ${starting(gpu)} | ${starting(cpu)} | ${memory} |`;
    }),
  ].join("\n");
}

export interface PeerLine {
  readonly title: string;
  readonly task: PeerTask;
  readonly result: PeerResult | Failed;
  readonly isMany: boolean;
}

export function peerTable(lines: readonly PeerLine[]): string {
  return [
    "### Others on the same GPU",
    "",
    "| net | quantity | by | on the GPU | read back | first call | arrays | sum of absolute values |",
    "|---|---|---|--:|--:|--:|--:|--:|",
    ...lines.map(({ title, task, result, isMany }) => {
      const { net, quantity, method, tf32 } = task;
      const what = quantity === "jacobian" ? "Jacobian" : `NTK, ${quantity}, ${method}`;
      const by = "cannot" in result ? title : title.replace(/^\w+/, `$& ${result.version}`);
      const start = `| ${net}${isMany ? ", many examples" : ""} | ${what} | ${by}, ${tf32 ? "TF32" : "float32"}`;
      if ("cannot" in result) return `${start} | cannot: ${result.cannot} | | | | |`;
      const { resident, seconds, first, bytes, checksum } = result;
      const arrays = bytes === null ? "" : mebibytes(bytes);
      return `${start} | ${time(median(resident))} | ${time(median(seconds))} | ${time(first)} | ${arrays} | ${checksum.toPrecision(6)} |`;
    }),
  ].join("\n");
}

export interface TilesLine {
  readonly engine: string;
  readonly result: Measured | Failed;
  readonly gpuBytes: number | null;
}

export function tilesTable(count: number, lines: readonly TilesLine[]): string {
  return [
    `### Perceptron's trace kernel of ${count.toLocaleString("en")} examples, in tiles as the worker computes it`,
    "",
    "| engine | how | time | first call | memory of the process | memory of the GPU | sum of absolute values |",
    "|---|---|--:|--:|--:|--:|--:|",
    ...lines.map(({ engine, result, gpuBytes }) => {
      if ("cannot" in result) return `| ${engine} | cannot: ${result.cannot} | | | | | |`;
      const { manner, seconds, firstSeconds, peakBytes, checksum } = result;
      const memory = gpuBytes === null || engine === "onnxruntime" ? "" : mebibytes(gpuBytes);
      return `| ${engine} | ${manner} | ${time(median(seconds))} | ${time(firstSeconds)} | ${mebibytes(peakBytes)} | ${memory} | ${checksum?.toPrecision(6)} |`;
    }),
  ].join("\n");
}
