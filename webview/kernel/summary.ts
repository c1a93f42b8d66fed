import type { KernelPicture } from "../../sidecar/protocol/ntk";
import type { KernelSource } from "./source";
import { extentOf } from "./source";
import { regionOf, tilesOver, topLevel } from "./tiles";
import type { Region } from "./viewport";

/** What is known of the pairs of a region. */
export interface Summary {
  readonly pairs: number;
  /** Of the numbers that were looked at, how many are known, from 0 to 1. */
  readonly known: number;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** 0: of the pairs themselves; k: of means of 2^k x 2^k pairs, at the edge also of pairs just outside. */
  readonly level: number;
}

/** So many tiles are read at most: up to a million pairs, it is the pairs themselves. */
const mostTiles = 25;

export async function summarise(
  source: KernelSource,
  picture: KernelPicture,
  region: Region,
  signal: AbortSignal,
): Promise<Summary> {
  const extent = extentOf(source.info);
  let level = 0;
  while (level < topLevel(extent) && tilesOver(region, level).length > mostTiles) level++;
  const tiles = await Promise.all(
    tilesOver(region, level).map((address) => source.tile({ ...picture, ...address }, signal)),
  );
  const side = 2 ** level;
  let [sum, known, all, min, max] = [0, 0, 0, Infinity, -Infinity];
  for (const tile of tiles) {
    const { top, left } = regionOf(tile);
    const within = (from: number, to: number, start: number, count: number): [number, number] => [
      Math.max(0, Math.floor((from - start) / side)),
      Math.min(count, Math.ceil((to - start) / side)),
    ];
    const [firstRow, lastRow] = within(region.top, region.bottom, top, tile.rows);
    const [firstColumn, lastColumn] = within(region.left, region.right, left, tile.columns);
    for (let row = firstRow; row < lastRow; row++) {
      for (let column = firstColumn; column < lastColumn; column++) {
        const value = tile.values[row * tile.columns + column];
        all++;
        if (Number.isNaN(value)) continue;
        known++;
        sum += value;
        min = Math.min(min, value);
        max = Math.max(max, value);
      }
    }
  }
  const some = known > 0;
  return {
    pairs: (region.bottom - region.top) * (region.right - region.left),
    known: all > 0 ? known / all : 0,
    mean: some ? sum / known : null,
    min: some ? min : null,
    max: some ? max : null,
    level,
  };
}
