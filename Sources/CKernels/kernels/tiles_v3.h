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
static const tile_shape tiles_bf16[CK_ROW_TILE] = {
  {{{tile_bf16_v3_1x4, 4}, {tile_bf16_v3_1x2, 2}, {tile_bf16_v3_1x1, 1}}},
  {{{tile_bf16_v3_2x2, 2}, {tile_bf16_v3_2x2, 2}, {tile_bf16_v3_2x1, 1}}},
  {{{tile_bf16_v3_3x2, 2}, {tile_bf16_v3_3x2, 2}, {tile_bf16_v3_3x1, 1}}},
  {{{tile_bf16_v3_4x1, 1}, {tile_bf16_v3_4x1, 1}, {tile_bf16_v3_4x1, 1}}},
  {{{tile_bf16_v3_5x1, 1}, {tile_bf16_v3_5x1, 1}, {tile_bf16_v3_5x1, 1}}},
  {{{tile_bf16_v3_6x1, 1}, {tile_bf16_v3_6x1, 1}, {tile_bf16_v3_6x1, 1}}},
};
static const tile_shape tiles_bf16_col[CK_ROW_TILE] = {
  {{{tile_bf16_col_v3_1x4, 4}, {tile_bf16_col_v3_1x2, 2}, {tile_bf16_col_v3_1x1, 1}}},
  {{{tile_bf16_col_v3_2x2, 2}, {tile_bf16_col_v3_2x2, 2}, {tile_bf16_col_v3_2x1, 1}}},
  {{{tile_bf16_col_v3_3x2, 2}, {tile_bf16_col_v3_3x2, 2}, {tile_bf16_col_v3_3x1, 1}}},
  {{{tile_bf16_col_v3_4x1, 1}, {tile_bf16_col_v3_4x1, 1}, {tile_bf16_col_v3_4x1, 1}}},
  {{{tile_bf16_col_v3_5x1, 1}, {tile_bf16_col_v3_5x1, 1}, {tile_bf16_col_v3_5x1, 1}}},
  {{{tile_bf16_col_v3_6x1, 1}, {tile_bf16_col_v3_6x1, 1}, {tile_bf16_col_v3_6x1, 1}}},
};
static const tile_shape tiles_row[CK_ROW_TILE] = {
  {{{tile_row_v3_1x4, 4}, {tile_row_v3_1x2, 2}, {tile_row_v3_1x1, 1}}},
  {{{tile_row_v3_2x2, 2}, {tile_row_v3_2x2, 2}, {tile_row_v3_2x1, 1}}},
  {{{tile_row_v3_3x2, 2}, {tile_row_v3_3x2, 2}, {tile_row_v3_3x1, 1}}},
  {{{tile_row_v3_4x1, 1}, {tile_row_v3_4x1, 1}, {tile_row_v3_4x1, 1}}},
  {{{tile_row_v3_5x1, 1}, {tile_row_v3_5x1, 1}, {tile_row_v3_5x1, 1}}},
  {{{tile_row_v3_6x1, 1}, {tile_row_v3_6x1, 1}, {tile_row_v3_6x1, 1}}},
};
static const tile_shape tiles_col[CK_ROW_TILE] = {
  {{{tile_col_v3_1x4, 4}, {tile_col_v3_1x2, 2}, {tile_col_v3_1x1, 1}}},
  {{{tile_col_v3_2x2, 2}, {tile_col_v3_2x2, 2}, {tile_col_v3_2x1, 1}}},
  {{{tile_col_v3_3x2, 2}, {tile_col_v3_3x2, 2}, {tile_col_v3_3x1, 1}}},
  {{{tile_col_v3_4x1, 1}, {tile_col_v3_4x1, 1}, {tile_col_v3_4x1, 1}}},
  {{{tile_col_v3_5x1, 1}, {tile_col_v3_5x1, 1}, {tile_col_v3_5x1, 1}}},
  {{{tile_col_v3_6x1, 1}, {tile_col_v3_6x1, 1}, {tile_col_v3_6x1, 1}}},
};
