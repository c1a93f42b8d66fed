import type { VscodeTextfield } from "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { h, type Node_ } from "./dom";

/** What is being typed, where it is not yet the batch of the state. */
export interface BatchDraft {
  text: string | null;
  /** The number that was taken of it already. */
  taken: number | null;
  timer: ReturnType<typeof setTimeout> | null;
}

/** Milliseconds after the last key before the number is taken. */
const settle = 400;

/** The number of examples, in effect while it is typed: at once on Enter, or shortly after the last key. */
export function batchField(
  batch: number,
  draft: BatchDraft,
  setBatch: (batch: number) => void,
  update: () => void,
): Node_ {
  if (draft.text === String(batch)) draft.text = null;
  const commit = (): void => {
    if (draft.timer !== null) clearTimeout(draft.timer);
    draft.timer = null;
    const typed = parseBatch(draft.text);
    if (typed === null || typed === (draft.taken ?? batch)) return;
    draft.taken = typed;
    setBatch(typed);
  };
  return h(
    "div",
    { class: "batch" },
    h("vscode-textfield", {
      type: "number",
      ".label": "Examples (N)",
      min: 1,
      step: 1,
      required: true,
      value: draft.text ?? String(batch),
      invalid: draft.text !== null && parseBatch(draft.text) === null,
      on: {
        input: (event) => {
          draft.text = (event.target as VscodeTextfield).value;
          draft.taken = null;
          if (draft.timer !== null) clearTimeout(draft.timer);
          draft.timer = setTimeout(commit, settle);
          update();
        },
        keydown: (event) => {
          if ((event as KeyboardEvent).key === "Enter") commit();
        },
        focusout: () => {
          commit();
          // What is no number of examples is given up
          if (parseBatch(draft.text) === null) draft.text = null;
          update();
        },
      },
    }),
  );
}

/** Null for what is no whole number above zero. */
export function parseBatch(text: string | null): number | null {
  const batch = text === null || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(batch) && batch > 0 ? batch : null;
}
