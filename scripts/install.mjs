// Installs the packages where they are missing or not those of the lock file.
import { ensureInstalled } from "./lib.mjs";

ensureInstalled();
