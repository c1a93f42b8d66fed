import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { JpegDecoder } from "image-in-browser/lib/src/formats/jpeg-decoder.js";
import { PngDecoder } from "image-in-browser/lib/src/formats/png-decoder.js";
import { messageOf, ModelError } from "../graph/errors";
import type { Labels } from "../protocol/ntk";
import { reasonOf } from "./file";

/**
 * A folder of images as examples. PNG and JPEG are decoded by image-in-browser: one package for both, without packages of
 * its own, in plain JavaScript, so that it is bundled and runs on every platform, and one that is still looked after. Its
 * PNGs are exact; its JPEGs are within rounding of libjpeg-turbo's (3 of 255 levels), but where colours are stored at
 * half resolution, which libjpeg interpolates and it repeats.
 */

export interface ImageFolder {
  readonly folder: string;
  /** Relative to the folder, with `/`, in the order of the examples. */
  readonly names: readonly string[];
  /** Null where the images lie in the folder itself. */
  readonly labels: Labels | null;
}

/** [height, width, channels]: 1 for grey, 3 for red, green and blue. */
export type ImageShape = readonly [number, number, number];

const IMAGE = /\.(?:png|jpe?g)$/i;

/** Red, green and blue in a grey image (ITU-R BT.601, as Pillow's `convert("L")`). */
const LUMA = [0.299, 0.587, 0.114] as const;

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * The images of a folder in the order of their names, or of its sub-folders, which are then the classes (as in
 * torchvision's ImageFolder). What is hidden or has another ending is passed over.
 */
export function listImages(folder: string): ImageFolder {
  const images = imagesIn(folder);
  const classes = entriesOf(folder).filter((name) => isFolder(join(folder, name)));
  if (classes.length === 0) {
    if (images.length === 0) throw new ModelError(`${folder}: holds no images; put .png or .jpg files in it`);
    return { folder, names: images, labels: null };
  }
  if (images.length > 0) {
    throw new ModelError(
      `${folder}: holds images (${images[0]}) beside folders (${classes[0]}); put all into folders, one for each class, or none`,
    );
  }
  const names: string[] = [];
  const of: number[] = [];
  classes.forEach((name, label) => {
    const members = imagesIn(join(folder, name));
    if (members.length === 0) {
      throw new ModelError(`${join(folder, name)}: holds no images; put .png or .jpg files in it, or take it away`);
    }
    for (const member of members) {
      names.push(`${name}/${member}`);
      of.push(label);
    }
  });
  return { folder, names, labels: { classes, of } };
}

function imagesIn(folder: string): string[] {
  return entriesOf(folder).filter((name) => IMAGE.test(name) && !isFolder(join(folder, name)));
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (error) {
    throw new ModelError(`${folder}: cannot be read (${reasonOf(error)})`);
  }
}

/** All images [N, H, W, C], from 0 to 1. One of another size is an error: pixels are never made up. */
export function readImages({ folder, names }: ImageFolder, shape: ImageShape): Float32Array {
  const size = shape[0] * shape[1] * shape[2];
  const data = new Float32Array(names.length * size);
  names.forEach((name, index) => readImage(join(folder, name), shape, data.subarray(index * size)));
  return data;
}

/** Fills the beginning of `target` with an image [H, W, C]. Transparency is left out, as in Pillow's `convert("RGB")`. */
function readImage(file: string, [height, width, channels]: ImageShape, target: Float32Array): void {
  const { decoder, bytes } = opened(file);
  const image = decoding(file, () => {
    // What it says of its size comes first: a damaged file may say anything, and pixels take memory
    const said = decoder.startDecode(bytes);
    if (said !== undefined && (said.width !== width || said.height !== height)) {
      throw new ModelError(
        `${file}: is ${said.width} pixels wide and ${said.height} high, but the model takes images ${width} wide and ${height} high; resize it`,
      );
    }
    return decoder.decodeFrame(0);
  });
  let at = 0;
  for (const pixel of image) {
    // A grey image with transparency has the latter where others have green
    const isGrey = (image.palette?.numChannels ?? image.numChannels) < 3;
    const red = pixel.rNormalized;
    const [green, blue] = isGrey ? [red, red] : [pixel.gNormalized, pixel.bNormalized];
    if (channels === 1) {
      target[at++] = red === green && red === blue ? red : LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue;
    } else {
      target[at++] = red;
      target[at++] = green;
      target[at++] = blue;
    }
  }
}

/** The decoder for what the file begins with, whatever its name says. */
function opened(file: string): { decoder: PngDecoder | JpegDecoder; bytes: Uint8Array } {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch (error) {
    throw new ModelError(`${file}: cannot be read (${reasonOf(error)})`);
  }
  const [first, second, third, fourth] = bytes;
  if (first === 0x89 && second === 0x50 && third === 0x4e && fourth === 0x47) {
    return { decoder: new PngDecoder(), bytes };
  }
  if (first === 0xff && second === 0xd8) return { decoder: new JpegDecoder(), bytes };
  throw new ModelError(`${file}: is no PNG or JPEG image, whatever its name says; save it as one, or take it away`);
}

function decoding<T>(file: string, decode: () => T | undefined): T {
  let result: T | undefined;
  let reason = "it is damaged";
  try {
    result = decode();
  } catch (error) {
    if (error instanceof ModelError) throw error;
    reason = messageOf(error).replace(/\.$/, "");
  }
  if (result === undefined) throw new ModelError(`${file}: cannot be decoded (${reason}); save the image again`);
  return result;
}
