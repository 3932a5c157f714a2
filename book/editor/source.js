// What the exercises take from CodeMirror 6, bundled into codemirror.js by `make editor`.
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, drawSelection, keymap, lineNumbers } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

/**
 * An editor for Python in the element `parent`.
 *
 * Tab indents; Escape and then Tab leave the editor. `run` is called at Ctrl+Enter or ⌘+Enter,
 * `changed` with the whole text at each change. Colours are those of the page's stylesheet.
 */
export function editor({ parent, text, label, describedBy, run, changed, numbered = true }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => (run?.(), true) }])),
        numbered ? lineNumbers() : [],
        history(),
        drawSelection(),
        // The cursor stays clear of where a long line fades (site.css, exercise.css), and of the numbers.
        EditorView.scrollMargins.of((view) => ({ left: view.contentDOM.offsetLeft + 32, right: 44 })),
        indentUnit.of("    "),
        EditorState.tabSize.of(4),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        python(),
        syntaxHighlighting(classHighlighter),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
        EditorView.contentAttributes.of({
          "aria-label": label,
          ...(describedBy ? { "aria-describedby": describedBy } : {}),
          tabindex: "0", // as it is anyway, but said so that others see it
          autocorrect: "off",
          autocapitalize: "off",
          spellcheck: "false",
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed?.(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    get text() {
      return view.state.doc.toString();
    },
    set text(value) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } });
    },
    focus: () => view.focus(),
    end: () => view.destroy(),
  };
}
