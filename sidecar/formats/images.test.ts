import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { listImages, readImages } from "./images";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-images-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

/** A PNG by its specification: rows of bytes, none filtered. */
function png(
  width: number,
  height: number,
  depth: number,
  colorType: number,
  rows: number[][],
  palette?: number[],
): Buffer {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colorType, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    ...(palette ? [chunk("PLTE", Uint8Array.from(palette))] : []),
    chunk("IDAT", deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** 8 x 8 pixels, which libjpeg-turbo decodes as [200, 100, 50] or nearly. */
const jpeg = Buffer.from(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wCEAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRQBAwQEBQQFCQUFCRQNCw0UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFP/AABEIAAgACAMBEQACEQEDEQH/xAGiAAABBQEBAQEBAQAAAAAAAAAAAQIDBAUGBwgJCgsQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+gEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoLEQACAQIEBAMEBwUEBAABAncAAQIDEQQFITEGEkFRB2FxEyIygQgUQpGhscEJIzNS8BVictEKFiQ04SXxFxgZGiYnKCkqNTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqCg4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2dri4+Tl5ufo6ery8/T19vf4+fr/2gAMAwEAAhEDEQA/AKlfh5/SB//Z",
  "base64",
);

const rgb = png(2, 1, 8, 2, [[255, 0, 51, 10, 20, 30]]);

function pixels(name: string, bytes: Uint8Array, shape: [number, number, number]): number[] {
  write(`${name}/image.png`, bytes);
  return Array.from(readImages(listImages(join(folder, name)), shape), (value) => Math.round(value * 65535));
}
const level = (value: number): number => value * 257;

describe("images", () => {
  it("are red, green and blue from 0 to 1", () => {
    expect(pixels("rgb", rgb, [1, 2, 3])).toEqual([255, 0, 51, 10, 20, 30].map(level));
  });

  it("are grey as Pillow makes them grey", () => {
    const [first, second] = pixels("luma", rgb, [1, 2, 1]).map((value) => Math.round(value / 257));
    // (19595 R + 38470 G + 7471 B + 32768) >> 16
    expect([first, second]).toEqual([82, 18]);
  });

  it.each([
    ["grey", png(2, 1, 8, 0, [[0, 7]]), [0, 7].map(level)],
    ["grey-alpha", png(2, 1, 8, 4, [[3, 255, 9, 0]]), [3, 9].map(level)],
    ["bits", png(2, 1, 1, 0, [[0b01000000]]), [0, 65535]],
    ["sixteen", png(2, 1, 16, 0, [[0x12, 0x34, 0xff, 0xff]]), [0x1234, 0xffff]],
    ["rgba", png(2, 1, 8, 6, [[5, 5, 5, 0, 6, 6, 6, 255]]), [5, 6].map(level)],
    ["palette", png(2, 1, 8, 3, [[1, 0]], [1, 1, 1, 200, 200, 200]), [200, 1].map(level)],
  ])("of the kind %s are read, for one channel and for three", (name, bytes, expected) => {
    expect(pixels(name, bytes, [1, 2, 1])).toEqual(expected);
    expect(pixels(name, bytes, [1, 2, 3])).toEqual(expected.flatMap((value) => [value, value, value]));
  });

  it("of JPEG are those of libjpeg-turbo, whatever the file is called", () => {
    const decoded = pixels("jpeg", jpeg, [8, 8, 3]).map((value) => Math.round(value / 257));
    decoded.forEach((value, index) => expect(Math.abs(value - [200, 100, 50][index % 3])).toBeLessThanOrEqual(2));
  });

  it("in folders have their classes, in the order of names; other files are passed over", () => {
    for (const name of ["b/2.png", "b/10.PNG", "a/x.jpeg", ".hidden/y.png", "a/notes.txt", "read.me"]) {
      write(`classes/${name}`, rgb);
    }
    expect(listImages(join(folder, "classes"))).toMatchObject({
      names: ["a/x.jpeg", "b/10.PNG", "b/2.png"],
      labels: { classes: ["a", "b"], of: [0, 1, 1] },
    });
    expect(listImages(join(folder, "rgb")).labels).toBeNull();
  });

  it.each([
    ["size", rgb, /image\.png: is 2 pixels wide and 1 high, but the model takes images 3 wide and 2 high/],
    ["cut", png(3, 2, 8, 2, [[1, 2, 3], []]).subarray(0, 50), /image\.png: cannot be decoded/],
    ["cut-jpeg", jpeg.subarray(0, 100), /image\.png: cannot be decoded/],
    ["text", Buffer.from("hello"), /image\.png: is no PNG or JPEG image/],
    ["empty", Buffer.alloc(0), /image\.png: is no PNG or JPEG image/],
  ])("that are no good are named: %s", (name, bytes, message) => {
    expect(() => pixels(`bad-${name}`, bytes, [2, 3, 3])).toThrow(message);
  });

  it("are where they belong", () => {
    mkdirSync(join(folder, "none"));
    expect(() => listImages(join(folder, "none"))).toThrow(/holds no images/);
    write("mixed/a/1.png", rgb);
    write("mixed/2.png", rgb);
    expect(() => listImages(join(folder, "mixed"))).toThrow(/holds images \(2\.png\) beside folders \(a\)/);
  });
});
