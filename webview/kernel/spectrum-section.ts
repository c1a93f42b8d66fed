import type { KernelInfo } from "../../sidecar/protocol/ntk";
import { h, type Child } from "../dom";
import { chart } from "./chart";
import type { ExportedFile } from "./export";
import { chartSection, chartTable } from "./parts";
import { formatValue } from "./scale";
import { spectrumChart, spectrumFigures, spectrumNote } from "./spectrum";

/** The eigenvalues of a kernel, and the numbers that follow from them. Of a kernel that has none, why. */
export function spectrumSection(
  { id, title, spectrum, status, message }: KernelInfo,
  isOne: boolean,
  save: (file: ExportedFile) => void,
): Child {
  if (spectrum === null) {
    // Why a computation failed is said at the top
    return status === "done" && message !== null ? h("p", { key: `no spectrum ${id}`, class: "note" }, message) : null;
  }
  const { eigenvalues } = spectrum;
  const note = spectrumNote(spectrum);
  return chartSection(
    {
      name: isOne ? `spectrum-${id}` : "spectrum",
      title: isOne ? `Spectrum of ${title}` : "Spectrum",
      save,
      head: ["number", "eigenvalue"],
      rows: () => eigenvalues.map((value, index) => [index + 1, value]),
    },
    h(
      "dl",
      { class: "kernel-figures" },
      ...spectrumFigures(spectrum).map((figure) =>
        h(
          "div",
          { title: figure.meaning },
          h("dt", {}, figure.title),
          h("dd", {}, figure.value, h("span", { class: "for-readers" }, ` ${figure.meaning}`)),
        ),
      ),
    ),
    chart("spectrum-chart", (width, pointer) => spectrumChart(spectrum, width, pointer)),
    note === null ? null : h("p", { class: "note" }, note),
    chartTable(
      "Eigenvalues as a table",
      ["Number", "Eigenvalue"],
      eigenvalues.map((value, index) => [String(index + 1), formatValue(value)]),
    ),
  );
}
