"""The colours and marks of states and values."""

from optuna.trial import TrialState

SCALE = [[0, "#2b6cb0"], [0.5, "#9aa0a6"], [1, "#d99a00"]]  # each end can be seen on white and on black
# Okabe and Ito's palette, darkened or lightened where it must be seen on white and on black; the marks differ too.
COLORS = {
    TrialState.COMPLETE: "#2b83c6",
    TrialState.PRUNED: "#e08e0b",
    TrialState.FAIL: "#d5431e",
    TrialState.RUNNING: "#1a9e77",
    TrialState.WAITING: "#888888",
}
MARKS = {TrialState.COMPLETE: "circle", TrialState.PRUNED: "x", TrialState.FAIL: "triangle-down"}
BEST = "#b0508e"
# For lines side by side; a dash of its own for each, for those who see no colours.
LINES = ("#2b83c6", "#e08e0b", "#1a9e77", "#b0508e", "#d5431e", "#56b4e9", "#888888")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
