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
