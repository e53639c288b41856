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
static const tile_shape tiles_bf16[CK_ROW_TILE] = {
  {{{tile_bf16_v4_1x8, 8}, {tile_bf16_v4_1x2, 2}, {tile_bf16_v4_1x1, 1}}},
  {{{tile_bf16_v4_2x8, 8}, {tile_bf16_v4_2x2, 2}, {tile_bf16_v4_2x1, 1}}},
  {{{tile_bf16_v4_3x4, 4}, {tile_bf16_v4_3x2, 2}, {tile_bf16_v4_3x1, 1}}},
  {{{tile_bf16_v4_4x4, 4}, {tile_bf16_v4_4x2, 2}, {tile_bf16_v4_4x1, 1}}},
  {{{tile_bf16_v4_5x4, 4}, {tile_bf16_v4_5x2, 2}, {tile_bf16_v4_5x1, 1}}},
  {{{tile_bf16_v4_6x4, 4}, {tile_bf16_v4_6x2, 2}, {tile_bf16_v4_6x1, 1}}},
  {{{tile_bf16_v4_7x2, 2}, {tile_bf16_v4_7x2, 2}, {tile_bf16_v4_7x1, 1}}},
  {{{tile_bf16_v4_8x2, 2}, {tile_bf16_v4_8x2, 2}, {tile_bf16_v4_8x1, 1}}},
  {{{tile_bf16_v4_9x2, 2}, {tile_bf16_v4_9x2, 2}, {tile_bf16_v4_9x1, 1}}},
  {{{tile_bf16_v4_10x2, 2}, {tile_bf16_v4_10x2, 2}, {tile_bf16_v4_10x1, 1}}},
  {{{tile_bf16_v4_11x2, 2}, {tile_bf16_v4_11x2, 2}, {tile_bf16_v4_11x1, 1}}},
  {{{tile_bf16_v4_12x2, 2}, {tile_bf16_v4_12x2, 2}, {tile_bf16_v4_12x1, 1}}},
};
static const tile_shape tiles_bf16_col[CK_ROW_TILE] = {
  {{{tile_bf16_col_v4_1x8, 8}, {tile_bf16_col_v4_1x2, 2}, {tile_bf16_col_v4_1x1, 1}}},
  {{{tile_bf16_col_v4_2x8, 8}, {tile_bf16_col_v4_2x2, 2}, {tile_bf16_col_v4_2x1, 1}}},
  {{{tile_bf16_col_v4_3x4, 4}, {tile_bf16_col_v4_3x2, 2}, {tile_bf16_col_v4_3x1, 1}}},
  {{{tile_bf16_col_v4_4x4, 4}, {tile_bf16_col_v4_4x2, 2}, {tile_bf16_col_v4_4x1, 1}}},
  {{{tile_bf16_col_v4_5x4, 4}, {tile_bf16_col_v4_5x2, 2}, {tile_bf16_col_v4_5x1, 1}}},
  {{{tile_bf16_col_v4_6x4, 4}, {tile_bf16_col_v4_6x2, 2}, {tile_bf16_col_v4_6x1, 1}}},
  {{{tile_bf16_col_v4_7x2, 2}, {tile_bf16_col_v4_7x2, 2}, {tile_bf16_col_v4_7x1, 1}}},
  {{{tile_bf16_col_v4_8x2, 2}, {tile_bf16_col_v4_8x2, 2}, {tile_bf16_col_v4_8x1, 1}}},
  {{{tile_bf16_col_v4_9x2, 2}, {tile_bf16_col_v4_9x2, 2}, {tile_bf16_col_v4_9x1, 1}}},
  {{{tile_bf16_col_v4_10x2, 2}, {tile_bf16_col_v4_10x2, 2}, {tile_bf16_col_v4_10x1, 1}}},
  {{{tile_bf16_col_v4_11x2, 2}, {tile_bf16_col_v4_11x2, 2}, {tile_bf16_col_v4_11x1, 1}}},
  {{{tile_bf16_col_v4_12x2, 2}, {tile_bf16_col_v4_12x2, 2}, {tile_bf16_col_v4_12x1, 1}}},
};
static const tile_shape tiles_row[CK_ROW_TILE] = {
  {{{tile_row_v4_1x8, 8}, {tile_row_v4_1x2, 2}, {tile_row_v4_1x1, 1}}},
  {{{tile_row_v4_2x8, 8}, {tile_row_v4_2x2, 2}, {tile_row_v4_2x1, 1}}},
  {{{tile_row_v4_3x4, 4}, {tile_row_v4_3x2, 2}, {tile_row_v4_3x1, 1}}},
  {{{tile_row_v4_4x4, 4}, {tile_row_v4_4x2, 2}, {tile_row_v4_4x1, 1}}},
  {{{tile_row_v4_5x4, 4}, {tile_row_v4_5x2, 2}, {tile_row_v4_5x1, 1}}},
  {{{tile_row_v4_6x4, 4}, {tile_row_v4_6x2, 2}, {tile_row_v4_6x1, 1}}},
  {{{tile_row_v4_7x2, 2}, {tile_row_v4_7x2, 2}, {tile_row_v4_7x1, 1}}},
  {{{tile_row_v4_8x2, 2}, {tile_row_v4_8x2, 2}, {tile_row_v4_8x1, 1}}},
  {{{tile_row_v4_9x2, 2}, {tile_row_v4_9x2, 2}, {tile_row_v4_9x1, 1}}},
  {{{tile_row_v4_10x2, 2}, {tile_row_v4_10x2, 2}, {tile_row_v4_10x1, 1}}},
  {{{tile_row_v4_11x2, 2}, {tile_row_v4_11x2, 2}, {tile_row_v4_11x1, 1}}},
  {{{tile_row_v4_12x2, 2}, {tile_row_v4_12x2, 2}, {tile_row_v4_12x1, 1}}},
};
static const tile_shape tiles_col[CK_ROW_TILE] = {
  {{{tile_col_v4_1x8, 8}, {tile_col_v4_1x2, 2}, {tile_col_v4_1x1, 1}}},
  {{{tile_col_v4_2x8, 8}, {tile_col_v4_2x2, 2}, {tile_col_v4_2x1, 1}}},
  {{{tile_col_v4_3x4, 4}, {tile_col_v4_3x2, 2}, {tile_col_v4_3x1, 1}}},
  {{{tile_col_v4_4x4, 4}, {tile_col_v4_4x2, 2}, {tile_col_v4_4x1, 1}}},
  {{{tile_col_v4_5x4, 4}, {tile_col_v4_5x2, 2}, {tile_col_v4_5x1, 1}}},
  {{{tile_col_v4_6x4, 4}, {tile_col_v4_6x2, 2}, {tile_col_v4_6x1, 1}}},
  {{{tile_col_v4_7x2, 2}, {tile_col_v4_7x2, 2}, {tile_col_v4_7x1, 1}}},
  {{{tile_col_v4_8x2, 2}, {tile_col_v4_8x2, 2}, {tile_col_v4_8x1, 1}}},
  {{{tile_col_v4_9x2, 2}, {tile_col_v4_9x2, 2}, {tile_col_v4_9x1, 1}}},
  {{{tile_col_v4_10x2, 2}, {tile_col_v4_10x2, 2}, {tile_col_v4_10x1, 1}}},
  {{{tile_col_v4_11x2, 2}, {tile_col_v4_11x2, 2}, {tile_col_v4_11x1, 1}}},
  {{{tile_col_v4_12x2, 2}, {tile_col_v4_12x2, 2}, {tile_col_v4_12x1, 1}}},
};
