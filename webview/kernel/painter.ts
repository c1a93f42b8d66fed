import type { KernelTile } from "../../sidecar/protocol/ntk";
import { tableSize, type ColourTable } from "./colours";
import type { ColourScale } from "./scale";
import { regionOf } from "./tiles";
import type { Point, Region } from "./viewport";

/** Red, green and blue, each from 0 to 1. */
export type Colour = readonly [number, number, number];

/** One picture. Lengths are pixels of the canvas. */
export interface Frame {
  /** Where the first pair's upper left corner is. */
  readonly origin: Point;
  /** Of a pair. */
  readonly scale: number;
  readonly rows: number;
  readonly columns: number;
  /** In the order in which they are drawn, one over the other. */
  readonly tiles: readonly KernelTile[];
  /** Null before a range is known; then nothing is. */
  readonly colours: { readonly scale: ColourScale; readonly table: ColourTable } | null;
  /** What is not known yet is hatched. */
  readonly hatch: { readonly ground: Colour; readonly line: Colour; readonly pixel: number };
}

const vertexSource = `#version 300 es
uniform vec4 rectangle; // left, top, right, bottom, in pixels
uniform vec2 size;
out vec2 part;
void main() {
  part = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 at = mix(rectangle.xy, rectangle.zw, part) / size;
  gl_Position = vec4(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0);
}`;

// The same formulas as positionOf in scale.ts
const fragmentSource = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D values;
uniform sampler2D table;
uniform ivec2 count; // of the tile's columns and rows; zero where there is no tile
uniform int kind; // 0 linear, 1 log, 2 symlog
uniform float low;
uniform float high;
uniform float unit;
uniform vec3 ground;
uniform vec3 line;
uniform float pixel;
in vec2 part;
out vec4 colour;

float positionOf(float value) {
  if (value <= low) return 0.0;
  if (value >= high) return 1.0;
  if (kind == 0) return (value - low) / (high - low);
  if (kind == 1) return log(value / low) / log(high / low);
  return 0.5 + 0.5 * sign(value) * log(1.0 + abs(value) / unit) / log(1.0 + high / unit);
}

void main() {
  // Not a number by its bits: compilers may take value != value for false
  bool known = false;
  float value = 0.0;
  if (count.x > 0) {
    value = texelFetch(values, min(ivec2(part * vec2(count)), count - 1), 0).r;
    known = (floatBitsToUint(value) & 0x7fffffffu) <= 0x7f800000u;
  }
  if (known) {
    colour = texelFetch(table, ivec2(int(positionOf(value) * ${tableSize - 1}.0 + 0.5), 0), 0);
  } else {
    float along = mod(gl_FragCoord.x + gl_FragCoord.y, 8.0 * pixel);
    colour = vec4(along < pixel ? line : ground, 1.0);
  }
}`;

const names = [
  "rectangle",
  "size",
  "values",
  "table",
  "count",
  "kind",
  "low",
  "high",
  "unit",
  "ground",
  "line",
  "pixel",
];
const kinds = { linear: 0, log: 1, symlog: 2 } as const;

/** Draws pictures of kernels with WebGL2: a texture for each tile, and the colour map in the shader. */
export class Painter {
  readonly #gl: WebGL2RenderingContext;
  readonly #at: Readonly<Record<string, WebGLUniformLocation | null>>;
  readonly #textures = new Map<KernelTile, WebGLTexture>();
  readonly #table: WebGLTexture;
  #shownTable: ColourTable | null = null;

  private constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
    const program = link(gl);
    gl.useProgram(program);
    this.#at = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
    this.#table = gl.createTexture();
    gl.uniform1i(this.#at.values, 0);
    gl.uniform1i(this.#at.table, 1);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  }

  /** Null where the browser has no WebGL2. A context that is lost is asked for again with a new painter. */
  static open(canvas: HTMLCanvasElement): Painter | null {
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, stencil: false });
    return gl === null ? null : new Painter(gl);
  }

  draw(frame: Frame): void {
    const gl = this.#gl;
    const { width, height } = gl.canvas;
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const { origin, scale, rows, columns, hatch, colours } = frame;
    const kernel = pixelsOf({ top: 0, left: 0, bottom: rows, right: columns }, origin, scale);
    // Means at the edge may reach beyond it
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(kernel[0], height - kernel[3], kernel[2] - kernel[0], kernel[3] - kernel[1]);
    gl.uniform2f(this.#at.size, width, height);
    gl.uniform3f(this.#at.ground, ...hatch.ground);
    gl.uniform3f(this.#at.line, ...hatch.line);
    gl.uniform1f(this.#at.pixel, hatch.pixel);
    gl.uniform2i(this.#at.count, 0, 0);
    this.#quad(kernel);
    if (colours === null) return;
    this.#useColours(colours.scale, colours.table);
    gl.activeTexture(gl.TEXTURE0);
    for (const tile of frame.tiles) {
      gl.bindTexture(gl.TEXTURE_2D, this.#textures.get(tile) ?? this.#upload(tile));
      gl.uniform2i(this.#at.count, tile.columns, tile.rows);
      this.#quad(pixelsOf(regionOf(tile), origin, scale));
    }
  }

  /** Gives the context back; nothing is drawn any more. */
  close(): void {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** A tile that is not drawn again. */
  forget(tile: KernelTile): void {
    this.#gl.deleteTexture(this.#textures.get(tile) ?? null);
    this.#textures.delete(tile);
  }

  #quad(rectangle: readonly [number, number, number, number]): void {
    this.#gl.uniform4f(this.#at.rectangle, ...rectangle);
    this.#gl.drawArrays(this.#gl.TRIANGLE_STRIP, 0, 4);
  }

  #useColours(scale: ColourScale, table: ColourTable): void {
    const gl = this.#gl;
    gl.uniform1i(this.#at.kind, kinds[scale.kind]);
    gl.uniform1f(this.#at.low, scale.low);
    gl.uniform1f(this.#at.high, scale.high);
    gl.uniform1f(this.#at.unit, scale.unit);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.#table);
    if (this.#shownTable === table) return;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, tableSize, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
    this.#exact();
    this.#shownTable = table;
  }

  #upload(tile: KernelTile): WebGLTexture {
    const gl = this.#gl;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, tile.columns, tile.rows, 0, gl.RED, gl.FLOAT, tile.values);
    this.#exact();
    this.#textures.set(tile, texture);
    return texture;
  }

  /** No mixing of neighbours. */
  #exact(): void {
    const gl = this.#gl;
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }
}

/** Whole pixels, so that neighbours neither overlap nor leave a gap. */
function pixelsOf(
  { top, left, bottom, right }: Region,
  origin: Point,
  scale: number,
): [number, number, number, number] {
  return [
    Math.round(origin.x + left * scale),
    Math.round(origin.y + top * scale),
    Math.round(origin.x + right * scale),
    Math.round(origin.y + bottom * scale),
  ];
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertexSource],
    [gl.FRAGMENT_SHADER, fragmentSource],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  // A context that has been lost links nothing either, and is none of the shaders' fault
  if (gl.getProgramParameter(program, gl.LINK_STATUS) || gl.isContextLost()) return program;
  throw new Error(`The shaders of the heatmap do not link: ${gl.getProgramInfoLog(program)}`);
}
