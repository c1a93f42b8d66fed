import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import type { Editor } from "./editor";
import { startSidecar, until, Workspace, type Sidecar } from "./sidecar";

/** What a test works with that shares its sidecar with the others of its file. */
export interface Shared {
  readonly sidecar: Sidecar;
  /** Of this test alone. */
  readonly workspace: Workspace;
}

/**
 * Hooks for a file whose tests share a sidecar, each with a folder and an editor of its own. `take` is given what the
 * next test works with. After it `editor` leaves, and its workers have to end. When all are done, no process may be left,
 * nor may a stack have been printed, which is of an error that nobody caught.
 */
export function shareSidecar(take: (shared: Shared) => void, editor: () => Editor, env: NodeJS.ProcessEnv = {}): void {
  let sidecar: Sidecar;
  let workspace: Workspace;
  beforeAll(async () => {
    sidecar = await startSidecar(env);
  });
  afterAll(async () => {
    await sidecar.end();
    expect(sidecar.errors()).not.toMatch(/^\s+at /m);
  });
  beforeEach(() => {
    workspace = new Workspace();
    take({ sidecar, workspace });
  });
  afterEach(async () => {
    editor().leave();
    workspace.remove();
    await until("workers to end", () => sidecar.workers().length === 0);
  });
}
