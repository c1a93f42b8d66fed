import type { KernelInfo, LearningCurve, LearningPrediction } from "../../sidecar/protocol/ntk";
import { formatCount, formatMany } from "../../sidecar/protocol/text";
import { h, type Node_ } from "../dom";
import { chart } from "./chart";
import { learningChart, momentText, predictionBars, rateText, timeNear, timePart, timeText } from "./learning";
import { chartSection, chartTable } from "./parts";
import { formatValue } from "./scale";
import { columnsOf, exampleText } from "./source";
import type { KernelViewShown } from "./view-shown";

/** Loss over time, with a slider through it, and what the model says of some examples at that time. */
export function learningSection(
  curve: LearningCurve,
  info: KernelInfo,
  chosen: number,
  { change, save }: KernelViewShown,
): Node_ {
  const { times, trainLoss, testLoss, predictions } = curve;
  const last = times.length - 1;
  const at = Math.min(chosen, last);
  const head = ["steps", "train loss", ...(testLoss === null ? [] : ["test loss"])];
  const losses = times.map((time, index) => [
    time ?? "inf",
    trainLoss[index],
    ...(testLoss === null ? [] : [testLoss[index]]),
  ]);
  return chartSection(
    { name: "learning", title: "Learning curve", save, head, rows: () => losses },
    h("p", { class: "note" }, trainingText(curve, info.x1.count)),
    h(
      "div",
      { class: "kernel-key" },
      h("span", {}, h("span", { class: "swatch hue-1" }), "train"),
      testLoss === null ? null : h("span", {}, h("span", { class: "swatch hue-4" }), "test"),
    ),
    chart("learning-chart", (width, pointer) => learningChart(curve, at, width, pointer)),
    timeSlider(curve, at, (time) => change({ time })),
    h("p", { class: "note kernel-moment" }, momentText(curve, at)),
    predictions.length === 0
      ? null
      : h(
          "ul",
          { class: "kernel-predictions", "aria-label": `Predictions ${timeText(times[at])}` },
          ...predictions.map((prediction) => predictionRow(prediction, info, at)),
        ),
    chartTable(
      "Losses as a table",
      head.map((text) => `${text[0].toUpperCase()}${text.slice(1)}`),
      times.map((time, index) => [
        time === null ? "∞" : String(time),
        formatValue(trainLoss[index]),
        ...(testLoss === null ? [] : [formatValue(testLoss[index])]),
      ]),
    ),
  );
}

function trainingText(curve: LearningCurve, examples: number): string {
  const text = `Gradient descent of the linearised model at learning rate ${rateText(curve)}`;
  if (curve.testLoss === null) return `${text}.`;
  return `${text}, on ${formatCount(curve.trained)} of the ${formatMany(examples, "example")}: every fifth of a class is held out and tested on.`;
}

/** Below the chart, and as it: the thumb is where the time is. Keys go from time to time. */
function timeSlider(curve: LearningCurve, at: number, choose: (time: number) => void): Node_ {
  const { times } = curve;
  const last = times.length - 1;
  const part = timePart(times, times[at]);
  const press = (event: Event): void => {
    const to = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      Home: 0,
      End: last,
    }[(event as KeyboardEvent).key];
    if (to === undefined) return;
    event.preventDefault();
    choose(Math.min(last, Math.max(0, to)));
  };
  const slide = (event: Event): void => {
    const slider = event.currentTarget as HTMLInputElement;
    const time = timeNear(times, Number(slider.value));
    // It rests at times only, also where the time stays the same
    slider.value = String(timePart(times, times[time]));
    choose(time);
  };
  return h("input", {
    class: "kernel-slider",
    type: "range",
    min: 0,
    max: 1,
    step: "any",
    ".value": String(part),
    "aria-label": "Time",
    "aria-valuetext": momentText(curve, at),
    variables: { "--part": part.toFixed(4) },
    on: { input: slide, keydown: press },
  });
}

function predictionRow(prediction: LearningPrediction, info: KernelInfo, at: number): Node_ {
  const { set, example, outputs, target } = prediction;
  const examples = set === "train" ? info.x1 : columnsOf(info);
  const values = outputs[at];
  const largest = values.indexOf(Math.max(...values));
  const name = info.x1.classes.length === values.length ? info.x1.classes[largest] : `output ${largest}`;
  const said =
    values.length === 1
      ? `${formatValue(values[0])}${target === null ? "" : `, target ${formatValue(target[0])}`}`
      : `largest is ${name}: ${formatValue(values[largest])}${target === null ? "" : `, target ${formatValue(target[largest])}`}`;
  return h(
    "li",
    { key: `${set} ${example}` },
    h(
      "div",
      {},
      h("div", { class: "array-name" }, exampleText(examples, example)),
      h("div", { class: "note" }, `${set}, ${said}`),
    ),
    predictionBars(prediction, at, 160),
  );
}
