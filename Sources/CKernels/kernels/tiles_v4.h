// Tile shapes of v4: 32 zmm registers hold at most 24 accumulators, 12 rows × 32 outputs.
#define CK_ROW_TILE 12
#define CK_R 1
#define CK_H 1
#include "micro.h"
#define CK_R 1
#define CK_H 2
#include "micro.h"
#define CK_R 1
#define CK_H 8
#include "micro.h"
#define CK_R 2
#define CK_H 1
#include "micro.h"
#define CK_R 2
#define CK_H 2
#include "micro.h"
#define CK_R 2
#define CK_H 8
#include "micro.h"
#define CK_R 3
#define CK_H 1
#include "micro.h"
#define CK_R 3
#define CK_H 2
#include "micro.h"
#define CK_R 3
#define CK_H 4
#include "micro.h"
#define CK_R 4
#define CK_H 1
#include "micro.h"
#define CK_R 4
#define CK_H 2
#include "micro.h"
#define CK_R 4
#define CK_H 4
#include "micro.h"
#define CK_R 5
#define CK_H 1
#include "micro.h"
#define CK_R 5
#define CK_H 2
#include "micro.h"
#define CK_R 5
#define CK_H 4
#include "micro.h"
#define CK_R 6
#define CK_H 1
#include "micro.h"
#define CK_R 6
#define CK_H 2
#include "micro.h"
#define CK_R 6
#define CK_H 4
#include "micro.h"
#define CK_R 7
#define CK_H 1
#include "micro.h"
#define CK_R 7
#define CK_H 2
#include "micro.h"
#define CK_R 8
#define CK_H 1
#include "micro.h"
#define CK_R 8
#define CK_H 2
#include "micro.h"
#define CK_R 9
#define CK_H 1
#include "micro.h"
#define CK_R 9
#define CK_H 2
#include "micro.h"
#define CK_R 10
#define CK_H 1
#include "micro.h"
#define CK_R 10
#define CK_H 2
#include "micro.h"
#define CK_R 11
#define CK_H 1
#include "micro.h"
#define CK_R 11
#define CK_H 2
#include "micro.h"
#define CK_R 12
#define CK_H 1
#include "micro.h"
#define CK_R 12
#define CK_H 2
#include "micro.h"

// [rows - 1][widest, 2, 1 groups]; a shape whose accumulators would spill repeats a narrower one.
#define CK_SHAPE(kind, r, h) {tile_##kind##_v4_##r##x##h, h}
#define CK_SHAPES(kind)                                                      \
  static const tile_shape tiles_##kind[CK_ROW_TILE] = {                      \
    {{CK_SHAPE(kind, 1, 8), CK_SHAPE(kind, 1, 2), CK_SHAPE(kind, 1, 1)}},    \
    {{CK_SHAPE(kind, 2, 8), CK_SHAPE(kind, 2, 2), CK_SHAPE(kind, 2, 1)}},    \
    {{CK_SHAPE(kind, 3, 4), CK_SHAPE(kind, 3, 2), CK_SHAPE(kind, 3, 1)}},    \
    {{CK_SHAPE(kind, 4, 4), CK_SHAPE(kind, 4, 2), CK_SHAPE(kind, 4, 1)}},    \
    {{CK_SHAPE(kind, 5, 4), CK_SHAPE(kind, 5, 2), CK_SHAPE(kind, 5, 1)}},    \
    {{CK_SHAPE(kind, 6, 4), CK_SHAPE(kind, 6, 2), CK_SHAPE(kind, 6, 1)}},    \
    {{CK_SHAPE(kind, 7, 2), CK_SHAPE(kind, 7, 2), CK_SHAPE(kind, 7, 1)}},    \
    {{CK_SHAPE(kind, 8, 2), CK_SHAPE(kind, 8, 2), CK_SHAPE(kind, 8, 1)}},    \
    {{CK_SHAPE(kind, 9, 2), CK_SHAPE(kind, 9, 2), CK_SHAPE(kind, 9, 1)}},    \
    {{CK_SHAPE(kind, 10, 2), CK_SHAPE(kind, 10, 2), CK_SHAPE(kind, 10, 1)}}, \
    {{CK_SHAPE(kind, 11, 2), CK_SHAPE(kind, 11, 2), CK_SHAPE(kind, 11, 1)}}, \
    {{CK_SHAPE(kind, 12, 2), CK_SHAPE(kind, 12, 2), CK_SHAPE(kind, 12, 1)}}, \
  }
CK_SHAPES(bf16);
CK_SHAPES(bf16_col);
CK_SHAPES(row);
CK_SHAPES(col);
