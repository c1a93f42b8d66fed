import type { VscodeTabs } from "@vscode-elements/elements/dist/vscode-tabs/index.js";
import type { BatchDraft } from "./batch-field";
import { h, type Child, type Node_ } from "./dom";
import { emptyState } from "./empty";
import { header } from "./header";
import type { View, ViewContext } from "./view";
import { viewsIn } from "./views";

/** The whole page. Only the view that is shown has content. */
export function page(context: ViewContext, draft: BatchDraft): Child {
  const views = viewsIn(context.state.place);
  const selected = Math.max(
    0,
    views.findIndex(({ id }) => id === context.memory.view),
  );
  return [
    header(context, draft),
    h(
      "main",
      {},
      h(
        "vscode-tabs",
        {
          "selected-index": selected,
          on: {
            "vsc-tabs-select": (event) => {
              context.remember({ view: views[(event.currentTarget as VscodeTabs).selectedIndex].id });
            },
          },
        },
        ...views.map((view) => tab(view, context)),
        ...views.map((view, index) =>
          h(
            "vscode-tab-panel",
            {},
            index === selected ? h("div", { key: view.id, class: "view" }, content(view, context)) : null,
          ),
        ),
      ),
    ),
  ];
}

function tab({ title, badge }: View, context: ViewContext): Node_ {
  const count = badge?.(context) ?? 0;
  return h(
    "vscode-tab-header",
    { on: { keydown: pressWithSpace } },
    title,
    count > 0 ? h("vscode-badge", { slot: "content-after" }, count.toLocaleString("en")) : null,
  );
}

/** Tabs of vscode-elements open on Enter only. */
function pressWithSpace(event: Event): void {
  if ((event as KeyboardEvent).key !== " ") return;
  event.preventDefault();
  (event.currentTarget as HTMLElement).click();
}

function content(view: View, context: ViewContext): Child {
  if (!view.needsAnalysis) return view.render(context);
  const { analysis } = context.state.model;
  return analysis === null ? emptyState(context) : view.render(analysis, context);
}
