"""What each field of a file that people write says, in a few words: for schemas and drafts."""

SWEEP = {
    "study": "name of the study, which begins its sweep's; by default the file's",
    "title": "heading of the table",
    "rows": "lines of the table; the others are compared with the first",
    "paper_table": "a table in results/paper/ to compare with",
    "dataset": "a data set of `fdsweep datasets`",
    "directions": "teacher->student; by default all pairs of the data set's modalities",
    "seeds": "one replicate of each row each; five or more can show a usual effect",
    "backbones": "modality: network, in place of the data set's own",
    "pretrained": "modality: checkpoint to start from, a folder or a name on the hub",
    "teachers": "modality: folder of an exported student that teaches as it is",
    "teacher_weights": "modality: how much its teacher counts beside the others",
    "epochs": "of every network; null here and below: the data set's own",
    "batch_size": "samples of a batch, over all workers",
    "lr": "highest learning rate, reached after the warm-up",
    "final_lr": "learning rate after the last epoch",
    "power": "of polynomial decay; 0 keeps the rate as it is",
    "momentum": "of SGD; AdamW's beta 1",
    "weight_decay": "of all weights",
    "optimizer": "sgd or adamw",
    "schedule": "polynomial, polynomial-per-step or cosine",
    "warmup_epochs": "epochs over which the rate rises to lr",
    "features": "pooled post-relu or pre-relu",
    "protocol": "ours, or published: epoch and head chosen on test",
    "class_weights": "none, or balanced: rare classes count as much as others",
    "sampling": "shuffled, or balanced: rare classes are drawn as often as others",
}
ROW = {
    "name": "of the row, in tables",
    "method": "a method of `fdsweep methods`; + adds several up",
    "options": "of the method; what is left out has its default",
    "pairing": "teacher sample beside a student's: paired, shuffled, same-class or unpaired",
    "teacher": "trained or random",
    "teacher_channels": "ordered or permuted",
    "lr": "of the student, in place of the sweep's",
    "directions": "where the row stands; everywhere by default",
    "paper": "its line in the paper's table",
    "group": "heading that it shares with its neighbours",
    "control": "aa repeats the first row, to measure the noise of rounding",
}
SPACE = {
    "space": "name of the space; by default the file's",
    "title": "for people",
    "parameters": "option, or a pattern such as weight*: the values that it may take",
    "constraints": "comparisons such as weight_low <= 10 * weight_high",
}
PARAMETER = {
    "low": "lowest value",
    "high": "highest value",
    "log": "searched on a logarithmic scale",
    "choices": "values, in place of low and high",
    "when": "option: the value, or the values, with which this one is searched",
    "otherwise": "its value elsewhere; by default the method's own",
}
DATA = {
    "name": "of the data set; by default the file's",
    "table": "a CSV or Parquet file, or what else `fdsweep prepare` takes; a row for each sample",
    "sample_id": "column of the samples' names",
    "label": "column of the class",
    "mask": "column of pictures with a class for each pixel, in place of a label",
    "group": "column of the subject or speaker, who stands in one split alone",
    "split": "column of train, val or test; without it fdsweep splits",
    "folds": "each seed tests another part of so many",
    "classes": "order of the labels; what the numbers of a mask mean, from 0",
    "modalities": "columns, by the name of what they become",
    "task": "what the labels are for; by default what the columns tell",
    "training": "how networks are trained by default",
    "about": "a sentence on the data",
    "source": "the paper",
    "licence": "of the data; reports name it",
    "url": "where it can be had",
}
TRAINING = {name: SWEEP[name] for name in (
    *("epochs", "batch_size", "lr", "final_lr", "momentum", "weight_decay", "optimizer"),
    *("schedule", "warmup_epochs", "class_weights", "sampling"),
)}  # fmt: skip
COLUMN = {
    "kind": "what its cells are",
    "column": "its name in the table; the modality's by default",
    "backbone": "its network; by default the one that suits the kind",
}
