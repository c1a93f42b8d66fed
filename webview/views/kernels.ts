import type { KernelInfo } from "../../sidecar/protocol/ntk";
import { h, type Child, type Node_ } from "../dom";
import { select } from "../kernel/controls";
import { extentText, formText } from "../kernel/picture-text";
import { extentOf } from "../kernel/source";
import { kernelView } from "../kernel/view";
import { firstChoice } from "../kernel/view-state";
import type { ViewContext } from "../view";
import { button, icon, link } from "../widgets";

/** The kernels of the model that have been computed, or are: one of them, or one beside another. */
export function kernelsSection(context: ViewContext): Child {
  const { kernels, memory, remember, post, state } = context;
  const own = kernels.of(state.model);
  const whole = own.find(({ id }) => id === memory.kernel) ?? own.at(-1);
  if (whole === undefined) return null;
  const others = kernels.wholes.filter(({ id }) => id !== whole.id);
  const beside = others.find(({ id }) => id === memory.beside) ?? null;
  const parameter = beside === null ? (memory.part ?? null) : null;
  const part = parameter === null ? null : kernels.partOf(whole.id, parameter);
  const choice = memory.kernelChoice ?? firstChoice;
  const { choose, save, saveSelection } = kernels;
  return h(
    "section",
    { key: "kernels", class: "kernels", "aria-label": "Kernels" },
    h(
      "div",
      { key: "bar", class: "kernel-bar" },
      h(
        "div",
        { class: "kernel-controls", role: "group", "aria-label": "Which kernel" },
        select("Kernel", optionsOf(own), whole.id, (id) => remember({ kernel: id, part: null })),
        others.length === 0
          ? null
          : select("Beside it", [{ value: "", text: "nothing" }, ...optionsOf(others)], beside?.id ?? "", (id) =>
              remember({ beside: id || null }),
            ),
      ),
      actions(whole, context),
    ),
    state.staleKernels.includes(whole.id)
      ? h(
          "div",
          { key: "stale", class: "callout", role: "status" },
          icon("history"),
          h("span", {}, "The model has changed since this kernel was computed. "),
          link("Compute again", `Compute the kernel of ${whole.title} again`, () =>
            post({ type: "continueKernel", kernel: whole.id }),
          ),
        )
      : null,
    parameter !== null && part === null
      ? h(
          "p",
          { key: "part", class: "note", role: "status" },
          `The part of ${parameter} is not known yet; until it is, the whole kernel is shown.`,
        )
      : null,
    kernelView({
      source: kernels.source(part?.id ?? whole.id),
      whole,
      other: beside && kernels.source(beside.id),
      choice,
      change: choose,
      showPart: (wanted) => {
        remember({ part: wanted });
        if (wanted === null) return;
        const known = kernels.partOf(whole.id, wanted);
        const isThere = known?.status === "done" || known?.status === "running";
        if (!isThere) post({ type: "computePart", part: { of: whole.id, parameter: wanted } });
      },
      state: kernels.state,
      save,
      saveSelection,
    }),
  );
}

/** `trace (mean), 100 × 100: digits.ts#digits, 60 %` */
function optionsOf(infos: readonly KernelInfo[]): { value: string; text: string }[] {
  return infos.map((info) => {
    const { id, title, status, fraction } = info;
    const percent = `${Math.floor(100 * fraction)} %`;
    const rest = { done: "", running: `, ${percent}`, cancelled: `, ${percent}, cancelled`, failed: ", failed" }[
      status
    ];
    return { value: id, text: `${formText(info)}, ${extentText(extentOf(info))}: ${title}${rest}` };
  });
}

function actions({ id, title, status }: KernelInfo, { post }: ViewContext): Node_ {
  const kernel = id;
  return h(
    "div",
    { class: "kernel-buttons" },
    computeButton(post),
    status === "running"
      ? button("Cancel", { icon: "stop-circle", onPress: () => post({ type: "cancelKernel", kernel }) })
      : null,
    status === "cancelled" || status === "failed"
      ? button("Continue", { icon: "debug-continue", onPress: () => post({ type: "continueKernel", kernel }) })
      : null,
    status === "done"
      ? button("Save…", {
          icon: "save",
          label: "Save the kernel as .npy",
          onPress: () => post({ type: "saveKernel", kernel }),
        })
      : null,
    status === "running"
      ? null
      : button("Remove", {
          icon: "trash",
          label: `Remove the kernel of ${title}`,
          onPress: () => post({ type: "removeKernel", kernel }),
        }),
  );
}

export function computeButton(post: ViewContext["post"], primary = false): Node_ {
  return button("Compute NTK…", {
    icon: "play",
    primary,
    onPress: () => post({ type: "command", command: "computeNtk" }),
  });
}
