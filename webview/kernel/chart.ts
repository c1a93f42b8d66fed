import { h, render, type Node_ } from "../dom";
import type { Point } from "./viewport";

type Draw = (width: number, pointer: Point | null) => Node_;

/** `<kernel-chart>`: draws for the width that there is, and again when that or the pointer changes. */
class KernelChart extends HTMLElement {
  #draw: Draw | null = null;
  #pointer: Point | null = null;
  readonly #resized = new ResizeObserver(() => this.#redraw());

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

export function chart(key: string, draw: Draw): Node_ {
  return h("kernel-chart", { key, class: `kernel-chart ${key}`, own: true, ".draw": draw });
}
