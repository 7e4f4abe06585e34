# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 5 · Fast R-CNN: share the convolutions
#
# In Lab 4, R-CNN ran its network once for every proposal. Here you write the two ideas that removed this cost:
# **pooling any region to a fixed size**, from SPP-net (He et al. 2014), and **training everything in one stage**,
# from Fast R-CNN (Girshick 2015). Then you train the detector with your own functions inside and time it against
# R-CNN's way.
#
# | exercise | you write | minutes | points |
# |---|---|---|---|
# | 30 | `spatial_pyramid_pool` | 15 | 4 |
# | 31 | `roi_pool` | 40 | 10 |
# | 32 | `smooth_l1` | 10 | 4 |
# | 33 | `sample_rois` | 15 | 6 |
# | 34 | `fast_rcnn_loss` | 20 | 6 |
# | 35 | `detect` | 30 | 8 |
#
# **How it works.** Replace `raise NotImplementedError` by your code, run the cell, then run the check below it.
# The check says what is wrong, and where. Until it passes, the library's function stands in, and the page says
# so: you can always read on. Shapes: N images, C channels, H x W cells, R regions, K classes; class 0 is
# background. A box is `(x1, y1, x2, y2)` in pixels. Allow two to two and a half hours.

# %%
import math
import os
import time

import torch
import torch.nn.functional as F
from torch import Tensor

try:
    from autograder import check, hint, verified
    from detseg import viewing
    from detseg.boxes import box_iou, clip_boxes, decode_boxes, nms
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{missing.name} is not installed in this kernel. On your computer: run `make lab` in the "
        "course's folder. In Colab: put `!git clone URL course` and `%pip install ./course` in a cell "
        "above, with the URL of this repository, run it, then run this one again."
    ) from None

# %%
torch.manual_seed(0)
# Half of the cores, four at most: threads that compete for a core wait for each other, and all get slower.
torch.set_num_threads(max(1, min(4, (os.cpu_count() or 1) // 2)))
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"torch {torch.__version__}, threads: {torch.get_num_threads()}, {device}, seed 0")

# %% [markdown]
# ## 1 · What was wrong with R-CNN
#
# R-CNN crops about 2,000 proposals from an image, warps each to one size and runs the network on it. Its faults,
# with VGG16:
#
# - **Training has three stages.** Fine-tune the network with softmax; write all features to disk and fit linear
#   SVMs; then fit box regressors. It takes **84 hours** and hundreds of gigabytes.
# - **Testing is slow: 47 seconds an image**, because it makes 2,000 forward passes.
#
# The first picture shows the way from R-CNN to Fast R-CNN, the road of this lab.

# %%
viewing.show_pipelines(proposals=2000)

# %% [markdown]
# Proposals overlap, so most of R-CNN's passes compute the same thing again. The next picture counts how often each
# pixel of a *farm scene* goes through the network. Farm scenes are this course's data: drawn pictures of cows,
# sheep, dogs, horses and people, whose boxes are known exactly.

# %% tags=["skip-execution"]
from detseg.data.farm import CLASSES, FarmScenes
from detseg.proposals.selective_search import selective_search

scenes = FarmScenes.test(4)
image, target = scenes[0]
proposals = selective_search(image)  # [P, 4]
viewing.show_coverage(image, proposals)

# %% [markdown]
# The cost of a convolution grows with the number of pixels. So count pixels: R-CNN's 2,000 crops of 224 x 224,
# against one VOC image, enlarged to 600 x 800 as in the paper.

# %%
crops, whole = 2000 * 224 * 224, 600 * 800
print(f"{crops:,} pixels in the crops, {whole:,} in the image: {crops / whole:.0f} times the work")

# %% [markdown]
# **Question 1.** Girshick measured a speed-up of 146 by sharing the convolutions. Why is it less than your
# number?
#
# <details><summary>Answer</summary>
#
# What comes after the convolutions, the fully connected layers, still runs once for each proposal. Sharing does
# not make it cheaper.
#
# </details>

# %% [markdown]
# ## 2 · SPP-net: any size in, one size out
#
# ### Exercise 30 · `spatial_pyramid_pool`
#
# difficulty 2 of 5 · importance 4 of 5 · about 15 minutes · 4 points
#
# **Why.** A convolution accepts any image size; a fully connected layer needs a vector of fixed length. SPP-net
# convolves the whole image once, then lays grids of 1 x 1, 2 x 2, 4 x 4 ... bins over the features and keeps each
# bin's maximum. The number of bins never depends on the size.

# %%
tiny = torch.tensor([[3.0, 1, 4, 1, 5], [6, 5, 3, 5, 8], [9, 3, 2, 3, 8]])  # H = 3, W = 5
viewing.show_pyramid(tiny, levels=(1, 2))

# %% [markdown]
# **By hand.** At level l, bin i covers the rows from floor(i H / l) up to, but not including,
# ceil((i + 1) H / l); the same for columns, with W. For l = 2 and H = 3, bin 0 has rows 0 and 1, and bin 1 has rows 1
# and 2: they share row 1, because 2 does not divide 3. Level 1 gives `9`, level 2 gives `6 8 9 8`; the whole vector
# is `9 6 8 9 8`.
#
# To detect, SPP-net does this with each proposal's part of the map. Here, pool the whole map; the next exercise
# pools parts.


# %% nbgrader={"grade": false, "grade_id": "spatial_pyramid_pool", "locked": false, "schema_version": 3, "solution": true, "task": false}
# exercise 30: spatial_pyramid_pool
def spatial_pyramid_pool(features: Tensor, levels: tuple[int, ...]) -> Tensor:
    """Max-pool whole feature maps to one vector an image.

    features [N, C, H, W] -> [N, C * (l1*l1 + l2*l2 + ...)]
    Order: the levels as given; in a level channel by channel; in a channel row by row.
    The result has the device and dtype of the features.
    """
    ### BEGIN SOLUTION
    height, width = features.shape[2:]
    grids = []
    for level in levels:
        bins = []
        for i in range(level):
            top, bottom = i * height // level, -(-(i + 1) * height // level)
            for j in range(level):
                left, right = j * width // level, -(-(j + 1) * width // level)
                bins.append(features[:, :, top:bottom, left:right].amax((2, 3)))  # [N, C]
        grids.append(torch.stack(bins, 2).flatten(1))  # [N, C, l*l] -> [N, C*l*l]
    return torch.cat(grids, 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_spatial_pyramid_pool", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# check 30: spatial_pyramid_pool
check(spatial_pyramid_pool)
### BEGIN HIDDEN TESTS
check(spatial_pyramid_pool, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What could be wrong</summary>
#
# - *The last rows or columns never matter:* every bin got `H // l` rows. Compute each bin's own start and end.
# - *Right on one channel, wrong on two:* you put the levels of one channel together. Flatten a level to `[N,
#   C*l*l]` first.
# - *Negative features become 0:* the maximum started from 0.
# - *`-(-a // b)` looks odd:* it is the ceiling of a / b, in whole numbers.
#
# </details>

# %%
# hint("spatial_pyramid_pool")  # remove the first # and run; run again for the next hint

# %%
spp = verified(spatial_pyramid_pool)
for height, width in ((16, 16), (9, 13)):
    print((height, width), "->", tuple(spp(torch.randn(1, 128, height, width), (1, 2, 3, 6)).shape))

# %% [markdown]
# **Question 30.** Both maps give a vector of the same length. Where does this number come from, with 128
# channels?
#
# <details><summary>Answer</summary>
#
# 128 x (1 + 4 + 9 + 36) = 6,400. These are the paper's four levels: 50 bins.
#
# </details>
#
# SPP-net made testing fast. Its training still had three stages, and the layers below the pyramid stayed frozen.

# %% [markdown]
# ## 3 · RoI pooling: one grid on each region
#
# ### Exercise 31 · `roi_pool`
#
# difficulty 5 of 5 · importance 5 of 5 · about 40 minutes · 10 points
#
# **Why.** Fast R-CNN keeps a single level and lays it over each *region of interest* (RoI) of the shared feature
# map. A proposal of any size becomes P x P numbers for each channel. The gradient flows back through the maxima
# into the convolutions, so the whole network trains at once.

# %%
digits = "3141592 6535897 9323846 2643383 2795028"  # of pi, as a map of 5 rows and 7 columns
features = torch.tensor([[float(digit) for digit in row] for row in digits.split()])  # [H, W]
viewing.show_roi_bins(features, roi=(9, 14, 46, 33), output_size=(2, 3), spatial_scale=1 / 8)

# %% [markdown]
# **By hand**, for the RoI (9, 14, 46, 33) in pixels, stride 8 and 2 x 3 bins:
#
# 1. Times 1/8: (1.125, 1.75, 5.75, 4.125). Round to whole cells: x from 1 to 6, y from 2 to 4. Halves go *away
#    from zero*: 2.5 becomes 3, -2.5 becomes -3.
# 2. Both ends belong to the RoI: 3 rows, 6 columns. It has at least 1 x 1 cell.
# 3. Bins by floor and ceiling, as in exercise 30, counted from the RoI's corner: rows 2-3 and 3-4; columns 1-2,
#    3-4, 5-6.
# 4. A bin that reaches beyond the map is cut off at the border; an empty bin is 0.
# 5. Maxima: `6 8 8` and `9 5 8`.
# 6. Backward, each bin hands its gradient to the cell of its maximum. Cell (row 3, column 5) wins two bins and gets
#    the sum of both.
#
# Now move the corners. The picture starts with a RoI that leaves the map: its whole cells are dotted, and its third
# column of bins is empty. (Where sliders do not run, you see this start only.) Move x2 by one pixel at a time: when
# do the maxima change?

# %%
viewing.explore_roi_bins(features)


# %% nbgrader={"grade": false, "grade_id": "roi_pool", "locked": false, "schema_version": 3, "solution": true, "task": false}
# exercise 31: roi_pool
def roi_pool(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float
) -> Tensor:
    """Max-pool each region of a shared feature map to the same size.

    features [N, C, H, W], rois [R, 5] as (image number, x1, y1, x2, y2) in pixels -> [R, C, h, w]
    output_size: h and w as a pair, or one number for both. spatial_scale: cells per pixel, 1 / stride.
    The result has the device and dtype of the features.
    """
    ### BEGIN SOLUTION
    h, w = (output_size, output_size) if isinstance(output_size, int) else output_size
    channels, height, width = features.shape[1:]
    scaled = rois[:, 1:] * spatial_scale
    corners = torch.where(scaled >= 0, (scaled + 0.5).floor(), (scaled - 0.5).ceil()).long().tolist()

    def bins(first: int, last: int, count: int, limit: int) -> list[range]:
        size = max(last - first + 1, 1)
        ends = [(first + i * size // count, first - (-(i + 1) * size // count)) for i in range(count)]
        return [range(max(low, 0), min(high, limit)) for low, high in ends]

    cells, starts = [], []  # each bin is a bag of cell numbers; one call takes the maximum of every bag
    for image, (x1, y1, x2, y2) in zip(rois[:, 0].long().tolist(), corners, strict=True):
        for rows in bins(y1, y2, h, height):
            for columns in bins(x1, x2, w, width):
                starts.append(len(cells))
                cells += [(image * height + y) * width + x for y in rows for x in columns]
    cells, starts = (
        torch.tensor(numbers, dtype=torch.long).to(features.device) for numbers in (cells, starts)
    )
    table = features.permute(0, 2, 3, 1).reshape(-1, channels)  # [N*H*W, C]
    pooled = F.embedding_bag(cells, table, starts, mode="max")  # [R*h*w, C]
    return pooled.view(len(rois), h, w, channels).permute(0, 3, 1, 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_roi_pool", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
# check 31: roi_pool
check(roi_pool)
### BEGIN HIDDEN TESTS
check(roi_pool, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What could be wrong</summary>
#
# - *Wrong only where a corner lies half-way:* `torch.round` and `round` send 2.5 to 2. Use `floor(x + 0.5)` for x
#   >= 0 and `ceil(x - 0.5)` below.
# - *Every RoI lacks its last row and column:* the height is `y2 - y1 + 1` cells.
# - *Right values, but x and y mixed up:* x runs along the last dimension, `features[image, :, y, x]`.
# - *Wrong as soon as there are two images:* column 0 of `rois` is the image's number.
# - *The result is on the wrong device or has the wrong dtype:* `torch.zeros(...)` is made on the CPU, in float32; use
#   `features.new_zeros(...)`. The check pretends a GPU; you need none.
# - *The gradient is missing:* `.item()`, `.tolist()` or numpy on *feature values* cuts it. On corners they are
#   fine.
# - *Bins move when the RoI leaves the map:* make the bins first, cut them off afterwards.
#
# </details>

# %%
# hint("roi_pool")

# %% [markdown]
# Right first, then fast. A plain loop is a fine answer to the exercise, yet training calls it a thousand times.
# Race it, forward and backward, on one training step's worth of RoIs.

# %% tags=["skip-execution"]
from detseg import layers

low = torch.rand(256, 2) * 80
race_rois = torch.cat([torch.arange(256)[:, None] % 8, low, low + 8 + torch.rand(256, 2) * 40], 1).to(device)


def seconds(pool) -> float:
    maps = torch.randn(8, 128, 16, 16, device=device, requires_grad=True)
    start = time.perf_counter()
    pool(maps, race_rois, 5, 1 / 8).sum().backward()
    maps.grad.cpu()  # waits for a GPU
    return time.perf_counter() - start


# %% tags=["skip-execution"]
my_pool = verified(roi_pool)
mine, library = (min(seconds(pool) for _ in range(3)) for pool in (my_pool, layers.roi_pool))
whose = "yours" if my_pool is roi_pool else "the stand-in"
print(f"{whose} {mine * 1000:.0f} ms, the library's {library * 1000:.0f} ms: {mine / library:.1f} times")
if mine > 5 * library:
    print("Too slow to train with: in section 8 the library's does this part, with the same numbers.")
    my_pool = layers.roi_pool

# %% [markdown]
# **Question 31.** At your time for one step, how many minutes would 1,000 steps of training spend in RoI pooling?
#
# <details><summary>Where a slow loop loses its time</summary>
#
# In the backward pass, twice. Each slice `features[...]` makes a zero gradient as large as what it was cut from: cut
# from one image, not from the batch. Each assignment into the result copies the result's whole gradient: collect the
# maxima in a list and `torch.stack` them once. A good loop is still some 30 times slower than the library. That is
# fine; to be faster, take the maxima of all bins in one call.
#
# </details>

# %% [markdown]
# ## 4 · Smooth L1: do not let one box shout
#
# ### Exercise 32 · `smooth_l1`
#
# difficulty 2 of 5 · importance 4 of 5 · about 10 minutes · 4 points
#
# **Why.** With the squared error (L2), a box that is far off sends back a huge gradient and can wreck the
# training. The absolute error (L1) sends back the same pull from any distance, but jumps at 0. Smooth L1 takes
# the good half of each.

# %%
viewing.show_losses(beta=1.0, difference=3.0)

# %% [markdown]
# **By hand**, with d = pred - target:
#
# - where |d| < beta, the loss is d² / (2 beta), a parabola;
# - elsewhere it is |d| - beta / 2, a line. The two meet at |d| = beta, with the same slope.
#
# | d | L2 = d²/2 | beta = 1 | beta = 2 |
# |---|---|---|---|
# | 0.5 | 0.125 | 0.125 | 0.0625 |
# | -3 | 4.5 | 2.5 | 2 |
#
# With beta = 0 only the second rule is left: plain L1. Now move d and beta; the picture starts at d = -1.5 and
# beta = 2.

# %%
viewing.explore_losses()


# %% nbgrader={"grade": false, "grade_id": "smooth_l1", "locked": false, "schema_version": 3, "solution": true, "task": false}
# exercise 32: smooth_l1
def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """Squared near zero, absolute beyond: element by element, without a mean or sum.

    pred and target of one shape [...] -> losses of the same shape. beta = 0 is plain L1.
    """
    ### BEGIN SOLUTION
    size = (pred - target).abs()
    if beta == 0:
        return size
    return torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_smooth_l1", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# check 32: smooth_l1
check(smooth_l1)
### BEGIN HIDDEN TESTS
check(smooth_l1, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What could be wrong</summary>
#
# - *A step at |d| = beta:* the line needs `- beta / 2` to meet the parabola.
# - *Right for beta = 1 only:* the parabola is divided by beta.
# - *One number instead of a tensor:* leave the sum to the caller.
# - *NaN for beta = 0:* 0 / 0, even in the branch of `torch.where` that is not chosen. Return early.
#
# </details>

# %%
# hint("smooth_l1")

# %%
d = torch.tensor([0.5, -3.0, 50.0], requires_grad=True)
verified(smooth_l1)(d, torch.zeros(3)).sum().backward()
print("slopes of smooth L1:", d.grad.tolist(), "  slopes of L2:", d.tolist())

# %% [markdown]
# **Question 32.** How many boxes with d = 0.5 balance the pull of one box with d = 50, for L2 and for your loss?
#
# <details><summary>Answer</summary>
#
# L2: 100. Smooth L1: 2.
#
# </details>

# %% [markdown]
# ## 5 · Which regions to learn from
#
# ### Exercise 33 · `sample_rois`
#
# difficulty 3 of 5 · importance 3 of 5 · about 15 minutes · 6 points
#
# **Why.** Nearly all proposals are background; trained on all, a network learns to say "background". Fast R-CNN
# draws a few from each image, a quarter of them *positive* (IoU >= 0.5 with an object) where it can.

# %%
matched = torch.tensor([[-1, 2, -1, -2, 0, -1, -1, 1, -1, -1]])
drawn = torch.zeros_like(matched, dtype=torch.bool).index_fill(1, torch.tensor([4, 9, 0, 5, 2, 8]), True)
columns = [str(number) for number in range(10)]
viewing.show_cells(
    matched, drawn, ["matched"], columns, "One draw of 6 from 10 proposals, positive_fraction 0.25", 0
)

# %% [markdown]
# **By hand.** `matched` holds the number of the object that a proposal covers, -1 for background, -2 for
# "ignore". At most int(6 x 0.25) = 1 of the positives 1, 4, 7 may come: say 4. The other 5 places go to
# background: 9, 0, 5, 2, 8. Proposal 3 is never drawn. Positives come first: `[4, 9, 0, 5, 2, 8]`. Object 0 is an
# object: positive means >= 0.
#
# Chance comes from `generator` alone, so that a run can be repeated: `torch.randperm(n, generator=generator)`.


# %% nbgrader={"grade": false, "grade_id": "sample_rois", "locked": false, "schema_version": 3, "solution": true, "task": false}
# exercise 33: sample_rois
def sample_rois(
    matched: Tensor, batch_size: int, positive_fraction: float, generator: torch.Generator
) -> Tensor:
    """Draw proposals for one training step, without repeats.

    matched int64 [N]: object number, -1 background, -2 never drawn
    -> int64 [at most batch_size]: positions in matched, positives first. Fewer if there are not enough.
    Draw on generator.device; return on matched's device.
    """

    ### BEGIN SOLUTION
    def draw(candidates: Tensor, count: int) -> Tensor:
        order = torch.randperm(len(candidates), generator=generator, device=generator.device)
        return candidates[order[:count].to(candidates.device)]

    positives = draw((matched >= 0).nonzero()[:, 0], int(batch_size * positive_fraction))
    negatives = draw((matched == -1).nonzero()[:, 0], batch_size - len(positives))
    return torch.cat([positives, negatives])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_sample_rois", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# check 33: sample_rois
check(sample_rois)
### BEGIN HIDDEN TESTS
check(sample_rois, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What could be wrong</summary>
#
# - *Object 0 is never drawn:* `matched > 0` leaves it out.
# - *The batch is too small when positives are rare:* fill up with `batch_size - len(positives)` negatives.
# - *Always the first ones:* shuffle *before* you cut.
# - *The same seed gives another draw:* something draws without `generator=generator`.
# - *Another seed gives the same draw:* there is a `manual_seed` inside the function.
#
# </details>

# %%
# hint("sample_rois")

# %% tags=["skip-execution"]
from detseg.proposals import match_boxes

matched = match_boxes(box_iou(target["boxes"], proposals), high=0.5, low=0.5)
kept = verified(sample_rois)(matched, 32, 0.25, torch.Generator().manual_seed(0))
for name, of in (("all proposals", matched), ("sampled", matched[kept])):
    print(f"{name}: {(of >= 0).sum()} of {len(of)} positive = {(of >= 0).float().mean():.0%}")

# %% [markdown]
# **Question 33.** By what factor did sampling raise the share of positives on this scene?

# %% [markdown]
# ## 6 · One loss with two parts
#
# ### Exercise 34 · `fast_rcnn_loss`
#
# difficulty 3 of 5 · importance 5 of 5 · about 20 minutes · 6 points
#
# **Why.** R-CNN trained classifier and box regressor one after the other. Fast R-CNN adds two losses and trains
# both together: cross-entropy for the class, smooth L1 for the box. The head predicts a box for *every* class;
# only that of the true class is trained, and background has none.

# %%
deltas = torch.zeros(3, 3, 4)  # [R, K, 4]: 3 RoIs, 3 classes
deltas[0, 1] = torch.tensor([0.5, 0.0, 0.0, 1.0])
deltas[2, 2] = torch.tensor([0.0, 1.0, 0.0, 0.0])
labels = torch.tensor([1, 0, 2])
trained = torch.zeros(3, 3, 4, dtype=torch.bool)
trained[0, 1], trained[2, 2] = True, True
rows, sides = [f"RoI {r}, label {label}" for r, label in enumerate(labels)], ["dx", "dy", "dw", "dh"]
columns = [f"{side}\n{name}" for name in ("none", "cow", "dog") for side in sides]
viewing.show_cells(deltas.flatten(1), trained.flatten(1), rows, columns, "deltas: framed = trained")

# %% [markdown]
# **By hand**, with `target_deltas` (0, 0, 0, 3) for RoI 0 and (0, 1, 0, 0.5) for RoI 2:
#
# - RoI 0, cow: d = (0.5, 0, 0, -2), losses 0.125 + 0 + 0 + 1.5 = 1.625.
# - RoI 1, background: no box loss, whatever stands in its target.
# - RoI 2, dog: d = (0, 0, 0, -0.5), loss 0.125.
#
# The box loss is (1.625 + 0.125) / **3**: divided by all RoIs, not by the 2 positives. The class loss is the mean
# cross-entropy over all 3. You may call your `smooth_l1` once it passes.


# %% nbgrader={"grade": false, "grade_id": "fast_rcnn_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
# exercise 34: fast_rcnn_loss
def fast_rcnn_loss(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Class loss and box loss of R sampled regions, each one number.

    class_logits [R, K], deltas [R, K, 4], labels int64 [R] (0 = background), target_deltas [R, 4]
    Both are sums over regions divided by R; without any region they are 0 (and keep their graph).
    """
    ### BEGIN SOLUTION
    regions = max(len(labels), 1)
    class_loss = F.cross_entropy(class_logits, labels, reduction="sum") / regions
    positive = (labels > 0).nonzero()[:, 0]  # [P]
    own = deltas[positive, labels[positive]]  # [P, 4]: the box of the true class
    box_loss = smooth_l1(own, target_deltas[positive], beta).sum() / regions
    return class_loss, box_loss
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fast_rcnn_loss", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# check 34: fast_rcnn_loss
check(fast_rcnn_loss)
### BEGIN HIDDEN TESTS
check(fast_rcnn_loss, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What could be wrong</summary>
#
# - *The box loss is too large by R / positives:* divide by all regions.
# - *NaN without positives:* the mean of nothing is NaN. Sum, then divide.
# - *Shape error or a loss that is far too large:* `deltas[:, labels]` is `[R, R, 4]`. Index both dimensions
#   together: `deltas[rows, labels[rows]]`.
# - *Background pulls on the boxes:* keep only `labels > 0`.
#
# </details>

# %%
# hint("fast_rcnn_loss")

# %%
class_loss, box_loss = verified(fast_rcnn_loss)(
    torch.zeros(32, 6), torch.zeros(32, 6, 4), torch.randint(0, 6, (32,)), torch.randn(32, 4)
)
print(f"six classes, all logits equal: class loss {class_loss:.3f}, box loss {box_loss:.3f}")

# %% [markdown]
# **Question 34.** Which formula gives this class loss? You will see your training start near it.
#
# <details><summary>Answer</summary>
#
# Each class has probability 1/6, so the cross-entropy is -ln(1/6) = 1.792.
#
# </details>

# %% [markdown]
# ## 7 · From numbers to detections
#
# ### Exercise 35 · `detect`
#
# difficulty 4 of 5 · importance 4 of 5 · about 30 minutes · 8 points
#
# **Why.** The head answers for every proposal and every class. A user wants a short list: each animal once, best
# first. Softmax gives scores; each class decodes its own boxes, drops low scores and suppresses doubles *within
# the class*, for a horse must not suppress its rider.

# %%
class_logits = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.6, 0.1, 0.3]]).log()  # [R, K]
boxes = torch.tensor([[10.0, 10, 30, 26], [12, 10, 32, 26], [40, 4, 58, 20]])  # proposals [R, 4]
scores = class_logits.softmax(1)
above = (scores > 0.2) & torch.tensor([False, True, True])
viewing.show_cells(scores, above, ["box A", "box B", "box C"], ["none", "cow", "dog"], "scores above 0.2", 1)

# %% [markdown]
# **By hand**, on an image of 24 rows and 60 columns, all deltas 0, NMS at IoU 0.4:
#
# 1. Decode (deltas 0 leave the boxes) and clip to the image: A becomes (10, 10, 30, 24), B (12, 10, 32, 24).
# 2. Cow: A 0.8 and B 0.7 are above 0.2. Their IoU is 252 / 308 = 0.82, so A removes B.
# 3. Dog: C 0.3. Background never counts, however sure it is.
# 4. All classes together, by decreasing score, at most `limit`: A cow 0.8, C dog 0.3.
#
# From earlier labs you have `decode_boxes(deltas, proposals, weights)`, here with the weights (10, 10, 5, 5),
# `clip_boxes(boxes, image_size)` and `nms(boxes, scores, iou_threshold)`.


# %% nbgrader={"grade": false, "grade_id": "detect", "locked": false, "schema_version": 3, "solution": true, "task": false}
# exercise 35: detect
def detect(
    class_logits: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    image_size: tuple[int, int],
    score_threshold: float,
    nms_threshold: float,
    limit: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn one image's head outputs into boxes [D, 4], scores [D] and labels int64 [D], best first, D <= limit.

    class_logits [R, K], deltas [R, K, 4], proposals [R, 4]; image_size is (height, width).
    Keep scores > score_threshold; suppress class by class; background is no detection.
    """
    ### BEGIN SOLUTION
    probabilities = class_logits.softmax(1)  # [R, K]
    decoded = clip_boxes(decode_boxes(deltas, proposals, (10, 10, 5, 5)), image_size)  # [R, K, 4]
    boxes, scores, labels = [], [], []
    for label in range(1, class_logits.shape[1]):
        rows = (probabilities[:, label] > score_threshold).nonzero()[:, 0]
        rows = rows[nms(decoded[rows, label], probabilities[rows, label], nms_threshold)]
        boxes.append(decoded[rows, label])
        scores.append(probabilities[rows, label])
        labels.append(torch.full_like(rows, label))
    best = torch.cat(scores).argsort(descending=True, stable=True)[:limit]
    return torch.cat(boxes)[best], torch.cat(scores)[best], torch.cat(labels)[best]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_detect", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# check 35: detect
check(detect)
### BEGIN HIDDEN TESTS
check(detect, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What could be wrong</summary>
#
# - *Labels are one too small:* you cut column 0 off and forgot to add 1.
# - *An object vanishes beside one of another class:* NMS ran over all classes together.
# - *A proposal gives one class only:* argmax keeps the best class; each class above the threshold counts.
# - *Boxes reach outside:* `image_size` is (height, width), x is clipped to the width.
# - *In each class sorted, altogether not:* sort once more at the end, then apply `limit`.
#
# </details>

# %%
# hint("detect")

# %%
my_detect = verified(detect)
for threshold in (1.0, 0.4):
    _, found, names = my_detect(class_logits, torch.zeros(3, 3, 4), boxes, (24, 60), 0.2, threshold, 50)
    print(f"NMS at {threshold}: scores {[f'{score:.1f}' for score in found]}, labels {names.tolist()}")

# %% [markdown]
# **Question 35.** At IoU 1.0 nothing is suppressed. Which detection is missing at 0.4, and which threshold would
# keep it?
#
# <details><summary>Answer</summary>
#
# Box B, cow 0.7. Any threshold of 0.82 or more keeps it.
#
# </details>

# %% [markdown]
# ## 8 · Train it
#
# The parts come together: a small VGG (stride 8, pre-trained on single animals, as the papers' networks were on
# ImageNet), your RoI pooling, two fully connected layers, two heads, your loss. Selective search's best 300 boxes
# for each of 800 scenes are stored with the course. The first run draws the scenes, in about half a minute, and
# keeps them on disk.

# %% tags=["skip-execution"]
from detseg.data.farm.cache import cache_folder
from detseg.models.backbone import backbone, normalise
from detseg.models.fast_rcnn import FastRCNN
from detseg.proposals.stored import stored_proposals
from detseg.training.detection import DetectionBatches, evaluate, predict_scenes
from detseg.training.loop import fit

train, test = FarmScenes.train(), FarmScenes.test()  # 800 and 150 scenes
train_proposals, test_proposals = stored_proposals("train", len(train)), stored_proposals("test", len(test))

# %% tags=["skip-execution"]
torch.manual_seed(0)
model = FastRCNN(
    backbone(),
    roi_pool=my_pool,
    sample_rois=verified(sample_rois),
    fast_rcnn_loss=verified(fast_rcnn_loss),
    detect=my_detect,
)
print(f"{sum(weights.numel() for weights in model.parameters()):,} weights")

# %% [markdown]
# Ten passes over the scenes, or 200 seconds, whichever is sooner. The state is saved every 20 seconds: after a
# restart of the kernel, run the cells again and the training goes on. The stop button ends it in order and keeps
# what was learned. If it says "out of time", your machine was slow or busy: raise `seconds`, run the cell again, and
# it goes on.
#
# <details><summary>Where this differs from the paper</summary>
#
# - 8 images a step with 32 RoIs each, not 2 with 64: our images are small.
# - Background is IoU below 0.5; the paper takes 0.1 to 0.5, to meet harder examples.
# - RoI pooling to 5 x 5, not 7 x 7: our largest map has 16 x 16 cells.
# - 300 proposals an image, not 2,000; AdamW and batch normalisation, to learn in minutes.
#
# </details>

# %% tags=["skip-execution"]
curve = viewing.LiveCurve()
run = fit(
    model,
    DetectionBatches(train, train_proposals),
    epochs=10,
    seconds=200,
    device=device,
    checkpoint=cache_folder() / "lab5_fast_rcnn.pt",
    on_step=curve,
)
curve.draw()

# %% tags=["skip-execution"]
mean_ap, per_class = evaluate(model, test, test_proposals, device=device)
print(f"mAP at IoU 0.5 on {len(test)} scenes: {mean_ap:.1%}")
print(", ".join(f"{name} {ap:.1%}" for name, ap in zip(CLASSES[1:], per_class, strict=True)))

# %% tags=["skip-execution"]
detections = predict_scenes(model, scenes, test_proposals[: len(scenes)], device=device, progress=False)
images, targets = zip(*(scenes[i] for i in range(len(scenes))), strict=True)
viewing.show_scenes(images, detections, CLASSES, truth=targets, columns=2)

# %% [markdown]
# Solid frames are detections that score at least 0.5; dotted frames are the truth.
#
# **Question 8.** Which class has the lowest average precision, and what do the scenes suggest as its cause?

# %% [markdown]
# ## 9 · The paper's table, and yours
#
# Time both ways on the same scenes and the same boxes: the convolutions once for every crop, warped to 64 x 64, as
# R-CNN does; or the whole of Fast R-CNN, with its convolutions once. Selective search is timed too.


# %% tags=["skip-execution"]
def pass_for_each_crop(images: Tensor, boxes: Tensor) -> Tensor:
    crops = [images[:, :, y1:y2, x1:x2] for x1, y1, x2, y2 in boxes.round().long().tolist()]
    warped = torch.cat([F.interpolate(crop, (64, 64), mode="bilinear") for crop in crops])  # [P, 3, 64, 64]
    return torch.cat([model.backbone(batch).amax((2, 3)) for batch in warped.split(64)]).cpu()


@torch.no_grad()
def timed(function, *inputs):
    start = time.perf_counter()
    result = function(*inputs)
    return time.perf_counter() - start, result


# %% tags=["skip-execution"]
search = crops = shared = 0.0
for image, _ in (scenes[0], scenes[1]):
    images = normalise(image[None].to(device))  # [1, 3, H, W]
    spent, boxes = timed(selective_search, image)
    search += spent / 2
    crops += timed(pass_for_each_crop, images, boxes.to(device))[0] / 2
    shared += timed(model.predict, images, [boxes.to(device)])[0] / 2
print(f"{len(boxes)} boxes: each crop alone {crops:.2f} s, shared {shared:.3f} s, {crops / shared:.0f} times")

# %% tags=["skip-execution"]
shared_text = f"{shared:.3f} s ({crops / shared:.0f}x)"
rows = [
    ("training", "84 h", "9.5 h (8.8x)", "see Lab 4", f"{run.seconds / 60:.1f} min"),
    ("network, an image", "47.0 s", "0.32 s (146x)", f"{crops:.2f} s", shared_text),
    ("proposals, an image", "2 s", "2 s", f"{search:.2f} s", f"{search:.2f} s"),
    ("mAP", "66.0 %", "66.9 %", "see Lab 4", f"{100 * mean_ap:.1f} %"),
]
header = ("", "paper: R-CNN", "paper: Fast R-CNN", "you: each crop alone", "you: Fast R-CNN")
viewing.table("Paper: VOC 2007 with VGG16. You: farm scenes with a small VGG.", header, rows)

# %% [markdown]
# Compare the ratios, not the figures: the data, the network and the machine differ. The ratio also grows with the
# number of proposals: some 500 here, 2,000 in the paper.
#
# **Question 9.** Which share of Fast R-CNN's whole time, proposals included, goes to selective search: in the
# paper, and on your machine?
#
# <details><summary>Answer for the paper</summary>
#
# 2 / (2 + 0.32) = 86 %.
#
# </details>

# %% [markdown]
# ## What is still wrong
#
# The network became so fast that the proposals are now the slow part: 2 of 2.3 seconds in the paper. They come
# from outside the network, so training cannot improve them. In **Lab 6** the network proposes its own boxes:
# Faster R-CNN.
#
# **Read on.** Girshick, *Fast R-CNN* (2015), sections 2.1 to 2.3 and 4.4; He et al., *Spatial Pyramid Pooling in
# Deep Convolutional Networks* (2014), section 2.
