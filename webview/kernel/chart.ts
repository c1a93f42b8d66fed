import { h, render, type Node_ } from "../dom";
import type { Point } from "./viewport";

type Press = (width: number, pointer: Point) => void;

type Draw = (width: number, pointer: Point | null) => Node_;

/** `<kernel-chart>`: draws for the width that there is, and again when that or the pointer changes. */
class KernelChart extends HTMLElement {
  #draw: Draw | null = null;
  #pointer: Point | null = null;
  readonly #resized = new ResizeObserver(() => this.#redraw());

  /** What a press means, if anything. */
  press: Press | null = null;

  set draw(draw: Draw) {
    this.#draw = draw;
    this.#redraw();
  }

  connectedCallback(): void {
    this.#resized.observe(this);
    this.onpointermove = ({ clientX, clientY }) => {
      const box = this.getBoundingClientRect();
      this.#pointer = { x: clientX - box.left, y: clientY - box.top };
      this.#redraw();
    };
    this.onclick = () => {
      if (this.#pointer !== null) this.press?.(this.clientWidth, this.#pointer);
    };
    this.onpointerleave = () => {
      this.#pointer = null;
      this.#redraw();
    };
  }

  disconnectedCallback(): void {
    this.#resized.disconnect();
  }

  #redraw(): void {
    if (this.#draw !== null && this.clientWidth > 0) render(this, this.#draw(this.clientWidth, this.#pointer));
  }
}

customElements.define("kernel-chart", KernelChart);

/** What a press does has to be possible by keys as well, elsewhere on the page. */
export function chart(key: string, draw: Draw, press: Press | null = null): Node_ {
  const className = `kernel-chart ${key} ${press === null ? "" : "pressable"}`;
  return h("kernel-chart", { key, class: className, own: true, ".draw": draw, ".press": press });
}
