// Tile shapes of v3: 16 ymm registers hold at most 12 accumulators, 6 rows × 16 outputs.
#define CK_ROW_TILE 6
#define CK_R 1
#define CK_H 1
#include "micro.h"
#define CK_R 1
#define CK_H 2
#include "micro.h"
#define CK_R 1
#define CK_H 4
#include "micro.h"
#define CK_R 2
#define CK_H 1
#include "micro.h"
#define CK_R 2
#define CK_H 2
#include "micro.h"
#define CK_R 3
#define CK_H 1
#include "micro.h"
#define CK_R 3
#define CK_H 2
#include "micro.h"
#define CK_R 4
#define CK_H 1
#include "micro.h"
#define CK_R 5
#define CK_H 1
#include "micro.h"
#define CK_R 6
#define CK_H 1
#include "micro.h"

// [rows - 1][widest, 2, 1 groups]; a shape whose accumulators would spill repeats a narrower one.
#define CK_SHAPE(kind, r, h) {tile_##kind##_v3_##r##x##h, h}
#define CK_SHAPES(kind)                                                   \
  static const tile_shape tiles_##kind[CK_ROW_TILE] = {                   \
    {{CK_SHAPE(kind, 1, 4), CK_SHAPE(kind, 1, 2), CK_SHAPE(kind, 1, 1)}}, \
    {{CK_SHAPE(kind, 2, 2), CK_SHAPE(kind, 2, 2), CK_SHAPE(kind, 2, 1)}}, \
    {{CK_SHAPE(kind, 3, 2), CK_SHAPE(kind, 3, 2), CK_SHAPE(kind, 3, 1)}}, \
    {{CK_SHAPE(kind, 4, 1), CK_SHAPE(kind, 4, 1), CK_SHAPE(kind, 4, 1)}}, \
    {{CK_SHAPE(kind, 5, 1), CK_SHAPE(kind, 5, 1), CK_SHAPE(kind, 5, 1)}}, \
    {{CK_SHAPE(kind, 6, 1), CK_SHAPE(kind, 6, 1), CK_SHAPE(kind, 6, 1)}}, \
  }
CK_SHAPES(bf16);
CK_SHAPES(bf16_col);
CK_SHAPES(row);
CK_SHAPES(col);
